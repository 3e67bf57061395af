import type { ClientName } from '../../registry/client-name.ts';
import { authorOf, BackupFileStore } from '../../setup/backup.ts';
import { readState } from '../../setup/file-state.ts';
import { RUNTIMES, type RuntimeName } from '../../setup/runtime-names.ts';
import { degraded, type Finding, ok, unknown } from './finding.ts';

/** `changed`: a file that setup wrote is another one now. */
type Wiring =
  | { readonly kind: 'wired' }
  | { readonly kind: 'changed'; readonly path: string }
  | { readonly kind: 'unreadable'; readonly reason: string };

const CLIENT_OF: Readonly<Record<RuntimeName, ClientName>> = {
  containerd: 'containerd',
  docker: 'dockerd',
  podman: 'podman',
  crio: 'crio',
  k3s: 'containerd',
  rke2: 'containerd',
  nerdctl: 'containerd',
  buildkit: 'other',
};

/** Whether the runtimes of this host pull through the node: by the files that setup wrote, and by who really asked. */
export class RuntimeWatch {
  readonly #backups: string;
  readonly #wiring = new Map<RuntimeName, Wiring>();
  readonly #asked = new Set<ClientName>();
  #looked = false;

  /** @param backups where setup keeps what it replaced */
  constructor(backups: string) {
    this.#backups = backups;
  }

  /** A client asked for something. */
  asked(client: ClientName): void {
    this.#asked.add(client);
  }

  /** Reads the files. Never throws. */
  async look(): Promise<void> {
    for (const runtime of RUNTIMES) {
      const wiring = await wiringOf(this.#backups, runtime);
      if (wiring === undefined) this.#wiring.delete(runtime);
      else this.#wiring.set(runtime, wiring);
    }
    this.#looked = true;
  }

  find(): Finding {
    if (!this.#looked) return unknown('the runtimes were not looked at yet');
    const broken = [...this.#wiring].flatMap(([runtime, wiring]) =>
      wiring.kind === 'wired'
        ? []
        : [
            wiring.kind === 'changed'
              ? `${runtime} may no longer pull through this node: ${wiring.path} is not as setup wrote it; run "layerswarm setup ${runtime}" again`
              : `the setup of ${runtime} cannot be read: ${wiring.reason}`,
          ],
    );
    if (broken.length > 0) return degraded(broken.join('; '));
    const wired = [...this.#wiring.keys()].map(
      (runtime) => `${runtime} is set up${this.#asked.has(CLIENT_OF[runtime]) ? ' and has pulled' : ', and has not pulled yet'}`,
    );
    const others = [...this.#asked]
      .filter((client) => client !== 'other' && ![...this.#wiring.keys()].some((runtime) => CLIENT_OF[runtime] === client))
      .map((client) => `${client} has pulled`);
    if (wired.length + others.length === 0)
      return unknown('no runtime pulls through this node yet: see "layerswarm setup containerd|docker|podman"');
    return ok([...wired, ...others].join('; '));
  }
}

async function wiringOf(backups: string, runtime: RuntimeName): Promise<Wiring | undefined> {
  try {
    const backup = await new BackupFileStore(backups, runtime, '/').read();
    if (backup === undefined) return undefined;
    for (const file of backup.files)
      if (authorOf(file, await readState(file.path)) !== 'setup') return { kind: 'changed', path: file.path };
    return { kind: 'wired' };
  } catch (error) {
    return { kind: 'unreadable', reason: error instanceof Error ? error.message : String(error) };
  }
}
