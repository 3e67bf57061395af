import type { DefineCommand } from '../command.ts';
import type { Undone } from '../setup/undo-runtime.ts';

interface Options {
  readonly root: string;
  readonly pidFile?: string;
  readonly reload: boolean;
  readonly dryRun?: boolean;
  readonly force?: boolean;
}

interface Report {
  readonly dryRun: boolean;
  readonly runtimes: readonly (Undone & { readonly runtime: string; readonly error: string | null })[];
  readonly data: string;
}

export const define: DefineCommand = (command, context, setExitCode) => {
  command
    .description(
      'Undoes every setup on this host, so that its runtimes are as they were before. The agent, its data and the package stay: stop and remove them after it.',
    )
    .option('--root <dir>', 'prefix of all paths, for the root of an image', '/')
    .option('--pid-file <file>', 'where the running Docker Engine keeps its process id (default: /run/docker.pid)')
    .option('--no-reload', 'do not tell the running ones that their files changed')
    .option('-n, --dry-run', 'show what would change, and change nothing')
    .option('--force', 'also where somebody else changed a file since')
    .action(async (options: Options) => {
      const [{ undoRuntime }, { runtime }, { RUNTIMES }, { BackupFileStore }, { setupPlace }] = await Promise.all([
        import('../setup/undo-runtime.ts'),
        import('../../setup/runtimes.ts'),
        import('../../setup/runtime-names.ts'),
        import('../../setup/backup.ts'),
        import('../setup/setup-place.ts'),
      ]);
      const place = await setupPlace(options.root, context);
      const how = { dryRun: options.dryRun === true, force: options.force === true, reload: options.reload, pidFile: options.pidFile };
      const undone: Report['runtimes'][number][] = [];
      // one that cannot be undone keeps none of the others back
      for (const name of RUNTIMES) {
        const chosen = runtime(name);
        try {
          if (
            undone.some((other) => other.runtime === chosen.name) ||
            (await new BackupFileStore(place.backups, chosen.name, place.root).read()) === undefined
          )
            continue;
          undone.push({ runtime: chosen.name, error: null, ...(await undoRuntime(chosen, place, how)) });
        } catch (error) {
          undone.push({
            runtime: chosen.name,
            error: error instanceof Error ? error.message : String(error),
            changes: [],
            reload: null,
            notes: [],
          });
        }
      }
      const { formatSetup } = await import('../setup/format-setup.ts');
      context.output.result<Report>(
        { dryRun: how.dryRun, runtimes: undone, data: place.backups.replace(/\/setup$/, '') },
        ({ runtimes, dryRun, data }) =>
          [
            ...runtimes.map(({ runtime: name, error, ...rest }) =>
              error === null
                ? formatSetup({ runtime: name, undo: true, dryRun, endpoint: null, registries: [], ...rest })
                : `${name}: ${error}`,
            ),
            ...(runtimes.length === 0 ? ['nothing to undo: no runtime of this host was set up'] : []),
            ...(dryRun ? [] : [`what the node itself keeps is in ${data}: stop it, then remove that`]),
          ].join('\n'),
      );
      if (undone.some(({ error }) => error !== null)) setExitCode(1);
    });
};
