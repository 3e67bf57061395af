import { onAbort } from '../../async/abort.ts';
import type { ContentRouting } from './content-routing.ts';
import type { Peer } from './network.ts';

const CONNECT_TIMEOUT_MS = 10_000;

export interface MemberSearchOptions {
  content: ContentRouting;
  isMember: (peerId: string) => boolean;
  /** Never to be dialled: this node itself, and whoever is banned. */
  refuses: (peerId: string) => boolean;
  onPeer: (listener: (event: 'joined' | 'left', peer: Peer) => void) => () => void;
  /** Dials, sooner or later. */
  offer: (addresses: readonly string[]) => void;
}

/** Finds holders of a blob in the DHT and yields those that are members, or become one. */
export async function* findProviders(options: MemberSearchOptions, blob: string, signal: AbortSignal): AsyncGenerator<string> {
  const connecting: Promise<string | undefined>[] = [];
  for await (const { peerId, addresses } of options.content.findProviders(blob, signal)) {
    if (options.refuses(peerId)) continue;
    if (options.isMember(peerId)) yield peerId;
    else connecting.push(connect(options, peerId, addresses, signal));
  }
  for (const peerId of await Promise.all(connecting)) if (peerId !== undefined) yield peerId;
}

/** Finds the member closest to a key and resolves with it, once connected; undefined when it is connected already, or is out of reach. */
export async function findClosest(options: MemberSearchOptions, key: Uint8Array, signal: AbortSignal): Promise<string | undefined> {
  const closest = await options.content.findClosest(key, signal);
  if (closest === undefined || options.refuses(closest.peerId) || options.isMember(closest.peerId)) return undefined;
  return await connect(options, closest.peerId, closest.addresses, signal);
}

/** Resolves with the peer id once it has joined, or undefined when it did not. */
async function connect(
  options: MemberSearchOptions,
  peerId: string,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const unsubscribe = options.onPeer((event, peer) => {
    if (event === 'joined' && peer.peerId === peerId) resolve(peerId);
  });
  const ended = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_TIMEOUT_MS)]);
  using _ = onAbort(ended, () => {
    resolve(undefined);
  });
  try {
    if (ended.aborted) return undefined;
    options.offer(addresses.map((address) => (address.includes('/p2p/') ? address : `${address}/p2p/${peerId}`)));
    return options.isMember(peerId) ? peerId : await promise;
  } finally {
    unsubscribe();
  }
}
