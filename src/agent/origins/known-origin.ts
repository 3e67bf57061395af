import type { Logger } from '../../log.ts';
import { EmbeddedOrigin } from '../../origin/embedded.ts';
import type { Origin } from '../../origin/origin.ts';
import type { Store } from '../../store/store.ts';
import type { Network } from '../../swarm/network/network.ts';
import { OriginDirectory } from '../../swarm/origin-directory.ts';
import type { AgentConfig } from '../config/config.ts';
import type { OriginClients } from './origin-clients.ts';
import { keepOriginName } from './origin-label.ts';
import { OriginMemory } from './origin-memory.ts';

/** What a node knows of its origin as it starts. */
export interface KnownOrigin {
  /** Where it is the origin itself. */
  readonly embedded: EmbeddedOrigin | undefined;
  /** `embedded`, or the client of the one that is configured; undefined where members name it. */
  readonly configured: Origin | undefined;
  /** What members, the operator and an earlier run say. */
  readonly directory: OriginDirectory;
}

/** Takes together what the configuration says of the origin and what was kept of an earlier run. @throws `config-invalid`, `store-unwritable`, `disk-full` */
export async function knownOrigin(
  config: Pick<AgentConfig, 'data' | 'origin' | 'originName' | 'name'>,
  { network, store, clients }: { readonly network: Network; readonly store: Store; readonly clients: OriginClients },
  log: Logger,
): Promise<KnownOrigin> {
  const embedded =
    config.origin === 'embedded'
      ? new EmbeddedOrigin({ peerId: network.self, store: store.blobs, images: store.images, now: Date.now })
      : undefined;
  const configured = embedded ?? (config.origin === 'auto' ? undefined : clients.configured(config.origin));
  const memory = new OriginMemory(config.data);
  const name = embedded === undefined ? undefined : await keepOriginName(config.data, config.originName, config.name);
  const directory = new OriginDirectory(network, {
    configured: configured?.url,
    name,
    record: await memory.read(),
    onRecord: (record) => memory.remember(record, log),
  });
  return { embedded, configured, directory };
}
