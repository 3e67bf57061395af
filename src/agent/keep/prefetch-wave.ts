import { setTimeout as delay } from 'node:timers/promises';
import type { NodeOutcome } from '../../control/prefetch-operation.ts';
import { errorCode } from '../../errors.ts';
import type { Peer, PeerNetwork } from '../../swarm/network/network.ts';
import type { Message } from '../../swarm/protocol/message.ts';
import { memberFailure } from './member-failure.ts';
import type { PrefetchState } from './prefetch-service.ts';

const MIN_POLL_MS = 250;
/** A thousand members are asked some hundred times a second in all. */
const POLL_MS_A_MEMBER = 10;
const ANSWER_TIMEOUT_MS = 10_000;
/** A member that answers nothing this often in a row hangs. */
const MAX_SILENCES = 3;
/** A connection that broke is often back within this time; a member that is not is gone. */
const GONE_MS = 5000;
const PROGRESS_MS = 250;

export interface WaveOptions {
  readonly network: PeerNetwork;
  readonly members: readonly Peer[];
  /** Full, with a digest: every member gets the same image, whatever the tag means by then. */
  readonly image: string;
  readonly platforms: readonly string[];
  readonly signal: AbortSignal;
  readonly onProgress: (members: readonly NodeOutcome[]) => void;
  readonly pollMs?: number;
  readonly goneMs?: number;
}

/** Asks members to pull an image and waits for each of them; one that refuses, fails or dies is reported and holds up nobody. */
export async function prefetchOnMembers(options: WaveOptions): Promise<NodeOutcome[]> {
  const outcomes = options.members.map((peer): NodeOutcome => ({
    peerId: peer.peerId,
    name: peer.name,
    address: peer.address,
    zone: peer.zone,
    state: 'waiting',
    reason: null,
    sizeBytes: 0,
    haveBytes: 0,
    fromOriginBytes: 0,
    fromPeersBytes: 0,
    seconds: 0,
  }));
  const report = (): void => options.onProgress(outcomes);
  const ticker = setInterval(report, PROGRESS_MS);
  try {
    report();
    await Promise.all(
      outcomes.map(async (_, index) => {
        await new Follower(options, outcomes[index]!, (outcome) => {
          outcomes[index] = outcome;
        }).run();
      }),
    );
    options.signal.throwIfAborted();
    return outcomes;
  } finally {
    clearInterval(ticker);
    report();
  }
}

/** One member of the wave. */
class Follower {
  readonly #options: WaveOptions;
  readonly #tell: (outcome: NodeOutcome) => void;
  #outcome: NodeOutcome;

  constructor(options: WaveOptions, first: NodeOutcome, tell: (outcome: NodeOutcome) => void) {
    this.#options = options;
    this.#outcome = first;
    this.#tell = tell;
  }

  /** waiting -> running -> done, failed, refused or gone. Never throws; ends with the signal. */
  async run(): Promise<void> {
    const { signal, members, pollMs = Math.max(MIN_POLL_MS, members.length * POLL_MS_A_MEMBER) } = this.#options;
    let id: number | undefined;
    let silences = 0;
    while (!signal.aborted) {
      try {
        const state = await this.#ask(id);
        id = state.id;
        silences = 0;
        this.#heard(state);
        if (state.state === 'done' || state.state === 'failed') return;
      } catch (error) {
        if (signal.aborted) return;
        const code = errorCode(error);
        if (code === 'denied' || code === 'unsupported') return this.#end('refused', error);
        if (code === 'peer-gone') {
          if (!(await this.#isBack())) return this.#end('gone', error);
          id = undefined;
        } else if (code === 'timeout') {
          silences++;
          if (silences >= MAX_SILENCES) return this.#end('gone', error);
        } else if (code === 'not-found' && id !== undefined) {
          id = undefined; // restarted: asked anew, it goes on where it was
        } else return this.#end('failed', error);
      }
      await delay(pollMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #ask(id: number | undefined): Promise<PrefetchState> {
    const { network, image, platforms, signal } = this.#options;
    const message: Message = id === undefined ? { type: 'prefetch', image, platforms: [...platforms] } : { type: 'prefetch-poll', id };
    return await network.request(this.#outcome.peerId, message, 'prefetch-state', { signal, timeoutMs: ANSWER_TIMEOUT_MS });
  }

  async #isBack(): Promise<boolean> {
    const { network, signal, goneMs = GONE_MS } = this.#options;
    const { peerId } = this.#outcome;
    if (network.peer(peerId) !== undefined) return true;
    const joined = Promise.withResolvers<boolean>();
    const unsubscribe = network.onPeer((event, peer) => {
      if (event === 'joined' && peer.peerId === peerId) joined.resolve(true);
    });
    try {
      return await Promise.race([joined.promise, delay(goneMs, false, { signal }).catch(() => false)]);
    } finally {
      unsubscribe();
    }
  }

  #heard({ state, reason, elapsedMs, sizeBytes, haveBytes, fromOriginBytes, fromPeersBytes }: PrefetchState): void {
    this.#set({
      ...this.#outcome,
      state,
      reason: reason ?? null,
      seconds: elapsedMs / 1000,
      sizeBytes,
      haveBytes,
      fromOriginBytes,
      fromPeersBytes,
    });
  }

  #end(state: 'refused' | 'failed' | 'gone', error: unknown): void {
    const reason = state === 'gone' ? 'it left the swarm, or answers no more' : memberFailure(error).reason;
    this.#set({ ...this.#outcome, state, reason });
  }

  #set(outcome: NodeOutcome): void {
    this.#outcome = outcome;
    this.#tell(outcome);
  }
}
