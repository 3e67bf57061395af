import { unlessAborted } from '../../async/abort.ts';
import type { BlobProgress } from '../../control/pull-operation.ts';
import { LayerswarmError } from '../../errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { ReceiptBlob } from '../../status/receipt-document.ts';
import type { BlobStore } from '../../store/blob-store.ts';
import type { BlobExchange, BlobFetch, BlobRequest, TransferStatus } from '../../swarm/swarm.ts';
import { StateClock } from './receipt.ts';
import { stripRuns } from './strip-runs.ts';

type State =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'fetching'; readonly fetch: BlobFetch; readonly started: number }
  | { readonly kind: 'here' }
  | { readonly kind: 'done'; readonly last: TransferStatus; readonly seconds: number };

/** One blob of an image that is being pulled. */
export class BlobPull {
  readonly #descriptor: Descriptor;
  readonly #store: Pick<BlobStore, 'size'>;
  readonly #clock = new StateClock();
  #state: State = { kind: 'waiting' };

  constructor(descriptor: Descriptor, store: Pick<BlobStore, 'size'>) {
    this.#descriptor = descriptor;
    this.#store = store;
  }

  /** waiting -> here, or waiting -> fetching -> done. @throws what the exchange throws, or the signal's reason */
  async run(
    exchange: BlobExchange,
    wanted: Pick<BlobRequest, 'repository' | 'shared' | 'sources' | 'pull'>,
    signal: AbortSignal,
  ): Promise<void> {
    if (this.#state.kind !== 'waiting') throw new LayerswarmError('internal', `a blob that is ${this.#state.kind} cannot be started`);
    signal.throwIfAborted();
    const { digest, size } = this.#descriptor;
    if (this.#store.size(digest) !== undefined) {
      this.#state = { kind: 'here' };
      return;
    }
    const started = performance.now();
    const fetch = exchange.fetch({ digest, size, ...wanted });
    this.#state = { kind: 'fetching', fetch, started };
    this.tick();
    try {
      await unlessAborted(fetch.done(), signal, ({ reason }) =>
        reason instanceof Error ? reason : new LayerswarmError('aborted', 'the pull was given up'),
      );
      this.tick();
      this.#state = { kind: 'done', last: fetch.progress(), seconds: (performance.now() - started) / 1000 };
    } finally {
      fetch.release();
    }
  }

  /** Tells the time that was spent in each state; called every now and then. */
  tick(): void {
    this.#clock.look(this.progress().state, performance.now());
  }

  progress(): BlobProgress {
    const base = { digest: this.#descriptor.digest.toString(), sizeBytes: this.#descriptor.size };
    const state = this.#state;
    switch (state.kind) {
      case 'waiting':
        return { ...base, haveBytes: 0, fromOriginBytes: 0, fromPeersBytes: 0, bytesPerSecond: 0, state: 'waiting' };
      case 'here':
        return { ...base, haveBytes: base.sizeBytes, fromOriginBytes: 0, fromPeersBytes: 0, bytesPerSecond: 0, state: 'done' };
      case 'fetching':
      case 'done': {
        const {
          haveBytes,
          fromOriginBytes,
          fromPeers,
          bytesPerSecond,
          state: now,
        } = state.kind === 'done' ? state.last : state.fetch.progress();
        return {
          ...base,
          haveBytes,
          fromOriginBytes,
          fromPeersBytes: total(fromPeers),
          bytesPerSecond,
          state: state.kind === 'done' ? 'done' : now,
        };
      }
      default:
        return state satisfies never;
    }
  }

  receipt(): ReceiptBlob {
    const base = { digest: this.#descriptor.digest.toString(), bytes: this.#descriptor.size };
    const state = this.#state;
    const waitedSeconds = this.#clock.seconds('finding');
    const verifySeconds = this.#clock.seconds('verifying');
    if (state.kind === 'fetching') {
      const { haveBytes, fromOriginBytes, fromPeers, stalls, retries, strip } = state.fetch.progress();
      return {
        ...base,
        bytes: haveBytes,
        source: 'swarm',
        fromOriginBytes,
        fromPeersBytes: total(fromPeers),
        peers: Object.fromEntries(fromPeers),
        seconds: (performance.now() - state.started) / 1000,
        waitedSeconds,
        verifySeconds,
        stalls,
        retries,
        strip: stripRuns(strip),
      };
    }
    if (state.kind !== 'done')
      return {
        ...base,
        source: 'store',
        fromOriginBytes: 0,
        fromPeersBytes: 0,
        peers: {},
        seconds: 0,
        waitedSeconds: 0,
        verifySeconds: 0,
        stalls: 0,
        retries: 0,
      };
    const { fromOriginBytes, fromPeers, stalls, retries, strip } = state.last;
    return {
      ...base,
      source: 'swarm',
      fromOriginBytes,
      fromPeersBytes: total(fromPeers),
      peers: Object.fromEntries(fromPeers),
      seconds: state.seconds,
      waitedSeconds,
      verifySeconds,
      stalls,
      retries,
      strip: stripRuns(strip),
    };
  }
}

function total(fromPeers: ReadonlyMap<string, number>): number {
  return [...fromPeers.values()].reduce((sum, bytes) => sum + bytes, 0);
}
