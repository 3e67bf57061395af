import type { Logger } from '../log.ts';
import { openStore, type Store, type StoreOptions } from '../store/store.ts';
import type { AgentConfig } from './config/config.ts';
import { storeLimitBytes } from './health/store-limit.ts';
import type { ContainerdContent } from './keep/containerd-content.ts';

/** What a node keeps on disk, and closes when it is disposed of. */
export interface AgentStore extends AsyncDisposable {
  /** Of the node's own folder. */
  readonly own: Store;
  /** With what containerd on this host holds beside it; `own` where that is not shared. */
  readonly store: Store;
  readonly containerd: ContainerdContent | undefined;
}

/**
 * Opens the store, and containerd's beside it where the configuration names a socket. What had to be repaired is in the log.
 * @throws `store-locked`, `store-format`, `store-unwritable`, `disk-full`
 */
export async function openAgentStore(
  config: Pick<AgentConfig, 'data' | 'store' | 'containerd'>,
  log: Logger,
  onDamaged: NonNullable<StoreOptions['onDamaged']>,
): Promise<AgentStore> {
  await using parts = new AsyncDisposableStack();
  const own = await openStore(config.data, {
    maxBytes: await storeLimitBytes(config.data, config.store.maxBytes),
    checkedForMs: config.store.checkedFor,
    onRepair: (line) => log.for('store').error(line),
    onDamaged,
  });
  parts.defer(() => own.close());
  // gRPC takes its time to load, and most hosts do without.
  const containerd =
    config.containerd.socket === undefined
      ? undefined
      : (await import('./keep/containerd-content.ts')).openContainerdContent(
          config.data,
          { ...config.containerd, socket: config.containerd.socket },
          own,
          log.for('containerd'),
        );
  if (containerd !== undefined) parts.use(containerd);
  const store = containerd?.store ?? own;
  for (const repair of store.repairs) log.for('store').warn(repair);
  const opened = parts.move();
  return { own, store, containerd, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}
