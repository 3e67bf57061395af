import type { Lane } from './lane.ts';

/** What went over the lanes to one peer since it is a member, and the best kind of lane that is open. */
export interface LaneUse {
  readonly peerId: string;
  readonly kind: Lane['kind'] | 'none';
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** The better ones last. */
const KINDS = ['none', 'stream', 'tls'] as const;

/** One for each peer, of what several threads or routes have of it. */
export function addUses(uses: Iterable<LaneUse>): LaneUse[] {
  const peers = new Map<string, LaneUse>();
  for (const use of uses) {
    const known = peers.get(use.peerId);
    peers.set(
      use.peerId,
      known === undefined
        ? use
        : {
            peerId: use.peerId,
            kind: KINDS[Math.max(KINDS.indexOf(known.kind), KINDS.indexOf(use.kind))]!,
            sentBytes: known.sentBytes + use.sentBytes,
            receivedBytes: known.receivedBytes + use.receivedBytes,
          },
    );
  }
  return [...peers.values()];
}
