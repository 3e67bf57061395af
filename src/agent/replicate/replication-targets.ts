import { CopyTarget } from '../../copy/copy-target.ts';
import { ByteRate, newRate } from '../../origin/budget.ts';
import { systemClock } from '../../origin/clock.ts';
import { passwordFileCredentials } from '../../origin/credentials.ts';
import { RegistryOrigin } from '../../origin/registry-origin.ts';
import type { TargetConfig } from '../../replicate/policy.ts';

/** Of a request, before the job as a whole waits: the queue is what bears longer outages. */
const TRIES = 6;

/** The registries that images are carried to, by the names that the configuration gives them. */
export class ReplicationTargets {
  readonly #registries = new Map<string, RegistryOrigin>();
  readonly #targets = new Map<string, CopyTarget>();

  /** @throws `config-invalid` */
  constructor(targets: readonly TargetConfig[]) {
    for (const target of targets) this.#add(target);
  }

  /** Of a name that is configured. */
  target(name: string): CopyTarget {
    return this.#targets.get(name)!;
  }

  list(): { readonly name: string; readonly url: string }[] {
    return Array.from(this.#registries, ([name, { url }]) => ({ name, url }));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#registries.values()].map((registry) => registry.close()));
  }

  #add({ name, url, username, passwordFile, ca, bandwidth, connections }: TargetConfig): void {
    const credentials = username === undefined || passwordFile === undefined ? undefined : passwordFileCredentials(username, passwordFile);
    const registry = new RegistryOrigin({
      url,
      credentials,
      caFile: ca,
      maxConnections: connections,
      retry: { attempts: TRIES },
      failFast: false,
    });
    this.#registries.set(name, registry);
    this.#targets.set(
      name,
      new CopyTarget({
        reader: registry,
        writer: registry.writer,
        rate: bandwidth === 0 ? undefined : new ByteRate(newRate(bandwidth), systemClock),
      }),
    );
  }
}
