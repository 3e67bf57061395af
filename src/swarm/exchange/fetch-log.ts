import { BoundedMap } from '../../bounded-map.ts';
import type { Say } from '../swarm.ts';

/** Blobs of one member that are remembered here. */
const MAX_OF_MEMBER = 1024;

interface MemberFetch {
  /** Id of the pull that it fetches the blob for, as it said; undefined where it did not. */
  readonly pull: string | undefined;
  sent: number;
}

/** Tells of the pulls of other members in which this node takes part, with their ids: a slow one can be followed over all nodes. */
export class FetchLog {
  readonly #say: Say;
  readonly #members = new Map<string, BoundedMap<string, MemberFetch>>();

  constructor(say: Say) {
    this.#say = say;
  }

  /** The member asks whether the blob is here, before it begins. */
  asked(peer: string, blob: string, pull: string | undefined, holds: string): void {
    if (pull !== undefined && holds !== 'none') this.#say('a member looks for a blob', { pull, blob, peer, here: holds });
  }

  /** The member exchanges the blob with this node. */
  joined(peer: string, blob: string, pull: string | undefined, holds: string): void {
    const blobs = this.#members.get(peer) ?? new BoundedMap<string, MemberFetch>(MAX_OF_MEMBER);
    this.#members.set(peer, blobs.set(blob, { pull, sent: blobs.get(blob)?.sent ?? 0 }));
    this.#say('a member fetches a blob', { pull, blob, peer, here: holds });
  }

  granted(peer: string, blob: string, extents: readonly { readonly first: number; readonly count: number }[]): void {
    const { pull } = this.#members.get(peer)?.get(blob) ?? {};
    for (const { first, count } of extents) this.#say('gave a lease', { pull, blob, peer, first, pieces: count });
  }

  sent(peer: string, blob: string, bytes: number): void {
    const fetch = this.#members.get(peer)?.get(blob);
    if (fetch !== undefined) fetch.sent += bytes;
  }

  /** `complete`: the member has it now; else it gave up. */
  left(peer: string, blob: string, complete: boolean): void {
    const blobs = this.#members.get(peer);
    const fetch = blobs?.get(blob);
    if (blobs?.delete(blob) !== true || fetch === undefined) return;
    if (blobs.size === 0) this.#members.delete(peer);
    this.#say(complete ? 'a member has its blob' : 'a member fetches a blob no more', { pull: fetch.pull, blob, peer, sent: fetch.sent });
  }

  forget(peer: string): void {
    for (const blob of this.#members.get(peer)?.keys() ?? []) this.left(peer, blob, false);
  }
}
