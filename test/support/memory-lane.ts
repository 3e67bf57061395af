import { LayerswarmError } from '../../src/errors.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { answerReader } from '../../src/swarm/lane/answer-reader.ts';
import type { ByteRange, Lane, RangeTarget } from '../../src/swarm/lane/lane.ts';
import type { Peer } from '../../src/swarm/network/network.ts';
import type { MemoryFaults, MemoryNetwork } from './memory-network.ts';

const CHUNK_BYTES = 64 * 1024;
/** What a chunk's memory holds after its promise resolved, so that a target which keeps it is found out. */
const REUSED = 0xdb;

/** A lane between two nodes of one process. */
export class MemoryLane implements Lane {
  readonly peerId: string;
  readonly kind = 'stream';
  sentBytes = 0;
  receivedBytes = 0;
  readonly #self: MemoryNetwork;
  readonly #remote: MemoryNetwork;
  readonly #faults: MemoryFaults;
  readonly #connection: AbortSignal;
  readonly #peer: { -readonly [K in keyof Peer]: Peer[K] };

  constructor(
    self: MemoryNetwork,
    remote: MemoryNetwork,
    faults: MemoryFaults,
    connection: AbortSignal,
    peer: { -readonly [K in keyof Peer]: Peer[K] },
  ) {
    this.peerId = remote.self;
    this.#self = self;
    this.#remote = remote;
    this.#faults = faults;
    this.#connection = connection;
    this.#peer = peer;
  }

  async request(blob: Digest, range: ByteRange, target: RangeTarget, signal: AbortSignal): Promise<Uint8Array> {
    let isWanted = true;
    const answer = await this.#unlessEnded(signal, async () => {
      const answer = await this.#remote.source?.read(this.#self.self, blob, range);
      if (!isWanted && answer !== undefined) answerReader(answer).close();
      if (answer === undefined)
        throw new LayerswarmError('not-found', `peer ${this.peerId} has not all of ${range.start}-${range.end} of ${blob.toString()}`);
      return answer;
    }).finally(() => {
      isWanted = false;
    });
    target.noted?.(answer.note);
    const reader = answerReader(answer);
    let offset = range.start;
    try {
      for (;;) {
        const part = await this.#unlessEnded(signal, async () => await reader.read());
        if (part === undefined) break;
        if (offset + part.length > range.end)
          throw new LayerswarmError('peer-misbehaved', `peer ${this.peerId} sent more than was asked for`);
        for (let at = 0; at < part.length; at += CHUNK_BYTES) {
          const chunk = part.subarray(at, at + CHUNK_BYTES);
          await this.#unlessEnded(signal, async () => {
            await this.#pass(this.#remote.self, this.#self.self, offset, chunk, target);
          });
          offset += chunk.length;
          this.receivedBytes += chunk.length;
          this.#peer.receivedBytes += chunk.length;
        }
        reader.free?.(part);
      }
    } finally {
      reader.close();
    }
    if (offset !== range.end)
      throw new LayerswarmError('not-found', `peer ${this.peerId} broke off at byte ${offset} of ${blob.toString()}`);
    return answer.note;
  }

  async close(): Promise<void> {
    await Promise.resolve();
  }

  async #pass(from: string, to: string, offset: number, chunk: Uint8Array, target: RangeTarget): Promise<void> {
    await nextTurn();
    const passed = Uint8Array.from((await this.#faults.chunk?.(from, to, chunk)) ?? chunk);
    await target.write(offset, passed);
    passed.fill(REUSED);
  }

  /** Waits for `work`, but no longer than the connection lives and the caller cares. */
  async #unlessEnded<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const onGone = (): void => {
      reject(new LayerswarmError('peer-gone', `peer ${this.peerId} is gone`));
    };
    const onAbort = (): void => {
      reject(new LayerswarmError('aborted', 'the transfer was aborted', { cause: signal?.reason }));
    };
    if (this.#connection.aborted) onGone();
    else if (signal?.aborted === true) onAbort();
    this.#connection.addEventListener('abort', onGone, { once: true });
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      const ended = this.#connection.aborted || signal?.aborted === true;
      return await (ended ? promise : Promise.race([work(), promise]));
    } finally {
      this.#connection.removeEventListener('abort', onGone);
      signal?.removeEventListener('abort', onAbort);
    }
  }
}

async function nextTurn(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}
