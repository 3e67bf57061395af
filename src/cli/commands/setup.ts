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

export const define: DefineCommand = (command, context, setExitCode) => {
  command
    .addArgument(new Argument('<runtime>', 'whose configuration to change').choices(RUNTIMES))
    .description('Points a container runtime at the agent: images keep their names, the registries themselves stay the next choice, and --undo puts every byte back.')
    .option('--registry <name>', 'a registry to pull through the agent; for each (default: all that the agent serves)', (name: string, before: readonly string[]) => [...before, name.toLowerCase()], [] as readonly string[])
    .option('--all-registries', 'containerd: ask the agent about every registry (_default); it passes over those that it does not serve')
    .option('--endpoint <url>', 'the agent\'s registry endpoint (default: that of the running agent, else of the configuration)')
    .option('--root <dir>', 'prefix of all paths, to prepare an image', '/')
    .option('--pid-file <file>', 'where the running Docker Engine keeps its process id (default: /run/docker.pid)')
    .option('--no-reload', 'do not tell the running one that its files changed')
    .option('-n, --dry-run', 'show what would change, and change nothing')
    .option('--undo', 'put back what was there before')
    .option('--force', 'also where somebody else changed a file since')
    .action(async (name: RuntimeName, options: Options) => {
      if (options.allRegistries === true && name !== 'containerd') throw new LayerswarmError('usage', `--all-registries is for containerd; name registries for ${name} with --registry`);
      const [{ setUp, undo }, { runtime }, { reload }, { setupPlace }, { formatSetup }] = await Promise.all([
        import('../../setup/setup.ts'), import('../../setup/runtimes.ts'), import('../../setup/reload.ts'), import('../setup/setup-place.ts'), import('../setup/format-setup.ts'),
      ]);
      const place = await setupPlace(options.root, context);
      const chosen = runtime(name);
      const how = { dryRun: options.dryRun === true, force: options.force === true };
      const target = options.undo === true ? undefined : await (await import('../setup/setup-target.ts')).setupTarget(options, context);
      const { changes, registries, notes } = target === undefined ? await undo(chosen, place, how) : await setUp(chosen, target, place, how);
      const outcome = how.dryRun || !options.reload ? undefined : await reload(chosen.reload, { changed: changes.map(({ path }) => path), pidFile: options.pidFile, live: place.root === '/' || options.pidFile !== undefined });
      context.output.result({
        runtime: name,
        undo: options.undo === true,
        dryRun: how.dryRun,
        endpoint: target?.endpoint.origin ?? null,
        registries,
        changes,
        reload: outcome ?? null,
        notes: [...target?.notes ?? [], ...notes],
      }, formatSetup);
      setExitCode(0);
    });
};
