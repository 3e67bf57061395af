import { DockerEngine } from '../../docker/engine.ts';
import { forgetMirrors } from '../../setup/docker-mirrors.ts';
import { reload, type ReloadOutcome } from '../../setup/reload.ts';
import type { Runtime } from '../../setup/runtime.ts';
import { type FileChange, type SetupOptions, type SetupPlace, undo } from '../../setup/setup.ts';

export interface UndoOptions extends SetupOptions {
  readonly reload: boolean;
  readonly pidFile: string | undefined;
}

export interface Undone {
  readonly changes: readonly FileChange[];
  /** null where nothing was told to the runtime: a dry run, or --no-reload. */
  readonly reload: ReloadOutcome | null;
  readonly notes: readonly string[];
}

/** Puts back what a setup changed, and lets the running one know. @throws `denied` where somebody else changed a file since */
export async function undoRuntime(runtime: Runtime, place: SetupPlace, options: UndoOptions): Promise<Undone> {
  const { changes, notes } = await undo(runtime, place, options);
  if (options.dryRun || !options.reload) return { changes, reload: null, notes };
  const outcome = await reload(runtime.reload, {
    changed: changes.map(({ path }) => path),
    pidFile: options.pidFile,
    live: place.root === '/' || options.pidFile !== undefined,
  });
  if (runtime.name !== 'docker' || outcome.state !== 'done') return { changes, reload: outcome, notes };
  return { changes, reload: outcome, notes: [...notes, ...(await forget(changes, outcome.pid))] };
}

const KEPT = 'this Docker Engine may go on asking the mirror that is gone until it is restarted: systemctl restart docker';

async function forget(changes: readonly FileChange[], pid: number): Promise<string[]> {
  try {
    const engine = DockerEngine.at(process.env['DOCKER_HOST']);
    for (const { path, diff } of changes) {
      const gone = [...diff.matchAll(/^-.*?"(https?:\/\/[^"]+)"/gm)].map(([, mirror]) => mirror!.replace(/\/+$/, ''));
      if (!(await forgetMirrors(path, gone, { mirrors: async () => await engine.mirrors(), reload: () => process.kill(pid, 'SIGHUP') })))
        return [KEPT];
    }
    return [];
  } catch {
    return [KEPT]; // the engine could not be asked; the file is as it was all the same
  }
}
