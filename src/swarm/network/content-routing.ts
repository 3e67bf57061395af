import type { KadDHT } from '@libp2p/kad-dht';
import { CID } from 'multiformats/cid';
import { create as createMultihash } from 'multiformats/hashes/digest';
import { Digest } from '../../oci/digest.ts';

/** Codes of the multiformats table. */
const RAW = 0x55;
const MULTIHASH = { sha256: 0x12, sha512: 0x13 } as const;

const MAX_PENDING = 100_000;
const PROVIDE_TIMEOUT_MS = 30_000;
const ENDED_AFTER_MS = 30_000;
const CLOSEST_TIMEOUT_MS = 3000;
/** A record that nobody took is offered again after this many intervals: who has just joined is not in the routing table yet. */
const RETRY_INTERVALS = 5;

export interface ContentRoutingOptions {
  dht: KadDHT;
  memberCount: () => number;
  /**
   * With fewer members connected nothing is told, but kept for when there are so many: in a small swarm everybody asks everybody, and nobody
   * looks into the DHT.
   */
  provideFrom: number;
  /** Between two records: one costs about forty messages, and the connected members are asked directly anyway. */
  provideIntervalMs: number;
}

/** Which whole blobs this node holds, told to the DHT one after the other, and who else does. */
export class ContentRouting {
  readonly #options: ContentRoutingOptions;
  readonly #pending = new Map<string, 'provide' | 'withdraw'>();
  readonly #provided = new Set<string>();
  readonly #stopping = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #working = false;

  constructor(options: ContentRoutingOptions) {
    this.#options = options;
  }

  provide(blob: string): void {
    if (this.#provided.has(blob)) this.#pending.delete(blob);
    else if (this.#pending.size < MAX_PENDING) this.#pending.set(blob, 'provide');
    this.#schedule();
  }

  /** The records that others keep end by themselves; this node renews them no more. */
  unprovide(blob: string): void {
    if (this.#provided.has(blob)) this.#pending.set(blob, 'withdraw');
    else this.#pending.delete(blob);
    this.#schedule();
  }

  /** Peer ids and addresses as the DHT has them: unchecked, and perhaps of the past. */
  async *findProviders(blob: string, signal: AbortSignal): AsyncGenerator<{ peerId: string; addresses: string[] }> {
    const ended = AbortSignal.any([signal, this.#stopping.signal, AbortSignal.timeout(ENDED_AFTER_MS)]);
    const seen = new Set<string>();
    try {
      for await (const event of this.#options.dht.findProviders(contentId(blob), { signal: ended })) {
        if (event.name !== 'PROVIDER' && event.name !== 'PEER_RESPONSE') continue;
        for (const { id, multiaddrs } of event.providers) {
          const peerId = id.toString();
          if (seen.has(peerId)) continue;
          seen.add(peerId);
          yield { peerId, addresses: multiaddrs.map((address) => address.toString()) };
        }
      }
    } catch {
      // Best effort: it ends with its signal, or with what it found until it failed.
    }
  }

  /** The peer that the DHT knows to be closest to a key, with its addresses as somebody told them. */
  async findClosest(key: Uint8Array, signal: AbortSignal): Promise<{ peerId: string; addresses: string[] } | undefined> {
    const ended = AbortSignal.any([signal, this.#stopping.signal, AbortSignal.timeout(CLOSEST_TIMEOUT_MS)]);
    try {
      for await (const event of this.#options.dht.getClosestPeers(key, { signal: ended })) {
        // They come in order of their distance.
        if (event.name === 'FINAL_PEER')
          return { peerId: event.peer.id.toString(), addresses: event.peer.multiaddrs.map((address) => address.toString()) };
      }
    } catch {
      // Best effort.
    }
    return undefined;
  }

  /** Somebody joined, who can keep records. */
  kick(): void {
    this.#schedule();
  }

  stop(): void {
    this.#stopping.abort();
    clearTimeout(this.#timer);
  }

  #schedule(intervals = 1): void {
    if (
      this.#timer !== undefined ||
      this.#working ||
      this.#pending.size === 0 ||
      this.#stopping.signal.aborted ||
      this.#options.memberCount() < this.#options.provideFrom
    )
      return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#work();
    }, this.#options.provideIntervalMs * intervals);
  }

  async #work(): Promise<void> {
    const [next] = this.#pending;
    if (next === undefined) return;
    const [blob, task] = next;
    this.#pending.delete(blob);
    this.#working = true;
    const done = task === 'provide' ? await this.#provide(blob) : await this.#withdraw(blob);
    this.#working = false;
    if (!done && !this.#pending.has(blob)) this.#pending.set(blob, task);
    this.#schedule(done ? 1 : RETRY_INTERVALS);
  }

  /** False when nobody took the record. */
  async #provide(blob: string): Promise<boolean> {
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(PROVIDE_TIMEOUT_MS)]);
    let taken = false;
    try {
      for await (const event of this.#options.dht.provide(contentId(blob), { signal })) {
        taken ||= event.name === 'PEER_RESPONSE' && event.messageName === 'ADD_PROVIDER';
      }
    } catch {
      // Some may have taken it before the deadline.
    }
    if (taken) this.#provided.add(blob);
    return taken;
  }

  async #withdraw(blob: string): Promise<boolean> {
    try {
      await this.#options.dht.cancelReprovide(contentId(blob), { signal: this.#stopping.signal });
    } catch {
      return this.#stopping.signal.aborted;
    }
    this.#provided.delete(blob);
    return true;
  }
}

function contentId(blob: string): CID {
  const digest = Digest.parse(blob);
  return CID.createV1(RAW, createMultihash(MULTIHASH[digest.algorithm], digest.bytes()));
}
