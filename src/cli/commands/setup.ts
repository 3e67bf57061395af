import { Argument } from 'commander';
import { RUNTIMES, type RuntimeName } from '../../setup/runtime-names.ts';
import type { DefineCommand } from '../command.ts';
import { LayerswarmError } from '../../errors.ts';

interface Options {
  readonly registry: readonly string[];
  readonly allRegistries?: boolean;
  readonly endpoint?: string;
  readonly root: string;
  readonly pidFile?: string;
  readonly reload: boolean;
  readonly dryRun?: boolean;
  readonly undo?: boolean;
  readonly force?: boolean;
}

export const define: DefineCommand = (command, context) => {
  command
    .addArgument(new Argument('<runtime>', 'whose configuration to change').choices(RUNTIMES))
    .description(
      'Points a container runtime at the agent: images keep their names, the registries themselves stay the next choice, and --undo puts every byte back.',
    )
    .option(
      '--registry <name>',
      'a registry to pull through the agent; for each (default: all that the agent serves)',
      (name: string, before: readonly string[]) => [...before, name.toLowerCase()],
      [] as readonly string[],
    )
    .option('--all-registries', 'containerd: ask the agent about every registry (_default); it passes over those that it does not serve')
    .option('--endpoint <url>', "the agent's registry endpoint (default: that of the running agent, else of the configuration)")
    .option('--root <dir>', 'prefix of all paths, to prepare an image', '/')
    .option('--pid-file <file>', 'where the running Docker Engine keeps its process id (default: /run/docker.pid)')
    .option('--no-reload', 'do not tell the running one that its files changed')
    .option('-n, --dry-run', 'show what would change, and change nothing')
    .option('--undo', 'put back what was there before')
    .option('--force', 'also where somebody else changed a file since')
    .action(async (name: RuntimeName, options: Options) => {
      if (options.allRegistries === true && name !== 'containerd')
        throw new LayerswarmError('usage', `--all-registries is for containerd; name registries for ${name} with --registry`);
      const [{ setUp }, { undoRuntime }, { runtime }, { reload }, { setupPlace }, { formatSetup }] = await Promise.all([
        import('../../setup/setup.ts'),
        import('../setup/undo-runtime.ts'),
        import('../../setup/runtimes.ts'),
        import('../../setup/reload.ts'),
        import('../setup/setup-place.ts'),
        import('../setup/format-setup.ts'),
      ]);
      const place = await setupPlace(options.root, context);
      const chosen = runtime(name);
      const how = { dryRun: options.dryRun === true, force: options.force === true };
      const common = { runtime: name, undo: options.undo === true, dryRun: how.dryRun };
      if (options.undo === true) {
        context.output.result(
          {
            ...common,
            endpoint: null,
            registries: [],
            ...(await undoRuntime(chosen, place, { ...how, reload: options.reload, pidFile: options.pidFile })),
          },
          formatSetup,
        );
        return;
      }
      const target = await (await import('../setup/setup-target.ts')).setupTarget(options, context);
      const { changes, registries, notes } = await setUp(chosen, target, place, how);
      const outcome =
        how.dryRun || !options.reload
          ? null
          : await reload(chosen.reload, {
              changed: changes.map(({ path }) => path),
              pidFile: options.pidFile,
              live: place.root === '/' || options.pidFile !== undefined,
            });
      context.output.result(
        { ...common, endpoint: target.endpoint.origin, registries, changes, reload: outcome, notes: [...target.notes, ...notes] },
        formatSetup,
      );
    });
};
