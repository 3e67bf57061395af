import { setTimeout as delay } from 'node:timers/promises';
import { LayerswarmError } from '../../errors.ts';
import { PeerRpc } from '../network/peer-rpc.ts';
import type { MessageHandlers } from '../network/handlers.ts';
import type { Peer } from '../network/network.ts';
import type { Frame } from '../protocol/frame.ts';
import type { Message, MessageOf, MessageType } from '../protocol/message.ts';
import { decodeWord, encodeWord, type Word } from '../protocol/word.ts';
import { FramePace, type FrameRates } from './frame-pace.ts';
import type { WordFrame } from './frame.ts';
import { parseRoute, routesTo, type Route } from './route.ts';

/** To one thread. */
export const WORDS_PER_SECOND: FrameRates = { peer: 2000, address: 8000 };
/** A long word counts for more: it takes as much longer to read. An answer may be long, and only where it was asked for. */
export const WORD_BYTES = 1024;
/** Asks of one peer that are being answered at a time; over it, no more is read from it. */
const MAX_HANDLING = 256;
/** Whoever asks waits this long for a lane; the time for the answer begins when it is open. On a busy host a handshake takes its time. */
const OPENING_MS = 4000;
/** Bytes that wait for a lane to be opened. */
const MAX_WAITING_BYTES = 1 << 20;

const TYPES = { note: 'note', request: 'ask', answer: 'reply' } as const;
const KINDS = { note: 'note', ask: 'request', reply: 'answer' } as const;

/** A lane as far as words go. */
export interface WordLane {
  say(frame: WordFrame): boolean;
}

export interface LaneWordsOptions {
  readonly handlers: MessageHandlers;
  peer(peerId: string): Peer | undefined;
  /** A lane there that is open now. The one that this side makes its requests on is best: nothing of ours is long there. */
  current(route: Route): WordLane | undefined;
  /** Opens one. */
  open(route: Route): Promise<unknown>;
  /** What a peer said is no word. */
  misbehaved(peerId: string, error: LayerswarmError): void;
  /** Milliseconds. */
  readonly now?: () => number;
}

interface Talk {
  readonly rpc: PeerRpc;
  handling: number;
  /** Resolves when one of those that are being handled is done. */
  handled: PromiseWithResolvers<void> | undefined;
  waiting: WordFrame[];
  waitingBytes: number;
  opening: Promise<void> | undefined;
}

/** What is said about blobs, from bulk thread to bulk thread, on whichever lane there is; one is opened where there is none. */
export class LaneWords {
  readonly #options: LaneWordsOptions;
  readonly #talks = new Map<string, Talk>();
  readonly #pace: FramePace;

  constructor(options: LaneWordsOptions) {
    this.#options = options;
    this.#pace = new FramePace(WORDS_PER_SECOND, options.now);
  }

  send(route: Route, word: Word): void {
    this.#talk(route)?.rpc.send(word);
  }

  /** @throws as `Network.request` */
  async request<T extends MessageType>(
    route: Route,
    word: Word,
    answer: T,
    options?: { signal?: AbortSignal; timeoutMs?: number },
  ): Promise<MessageOf<T>> {
    const talk = this.#talk(route);
    if (talk === undefined) throw gone(route);
    if (this.#options.current(route) === undefined) {
      talk.opening ??= this.#open(route, talk);
      await Promise.race([talk.opening, delay(OPENING_MS, undefined, { ref: false })]);
      if (this.#options.current(route) === undefined) throw gone(route);
    }
    return await talk.rpc.request(word, answer, options);
  }

  awaits(route: Route, id: number): boolean {
    return this.#talks.get(route)?.rpc.awaits(id) === true;
  }

  /** As `WordSink.heard`. @param host the address, or group of addresses, that the lane comes from */
  heard(route: Route, host: string, { type, id, word }: WordFrame): Promise<void> | undefined {
    const talk = this.#talk(route);
    // It left while this was on its way.
    if (talk === undefined) return undefined;
    let message: Message;
    try {
      message = decodeWord(word);
    } catch (error) {
      if (error instanceof LayerswarmError) this.#options.misbehaved(parseRoute(route).peerId, error);
      throw error;
    }
    const waitMs = this.#pace.take(route, host, type === 'reply' ? 1 : Math.ceil(word.length / WORD_BYTES));
    void this.#handle(talk, { kind: KINDS[type], id, message });
    if (talk.handling >= MAX_HANDLING) return (talk.handled ??= Promise.withResolvers<void>()).promise;
    return waitMs === 0 ? undefined : delay(waitMs);
  }

  /** The peer is no member any longer. */
  forget(peerId: string): void {
    this.#pace.forget(peerId);
    for (const route of routesTo(peerId)) {
      this.#talks.get(route)?.rpc.close(gone(route));
      this.#talks.delete(route);
    }
  }

  async #handle(talk: Talk, frame: Frame): Promise<void> {
    talk.handling += 1;
    try {
      await talk.rpc.receive(frame);
    } finally {
      talk.handling -= 1;
      talk.handled?.resolve();
      talk.handled = undefined;
    }
  }

  #talk(route: Route): Talk | undefined {
    const known = this.#talks.get(route);
    if (known !== undefined) return known;
    const peer = this.#options.peer(parseRoute(route).peerId);
    if (peer === undefined) return undefined;
    const talk: Talk = {
      rpc: new PeerRpc(peer, this.#options.handlers, ({ kind, id, message }) => {
        this.#say(route, talk, { type: TYPES[kind], id, word: encodeWord(message as Word) });
      }),
      handling: 0,
      handled: undefined,
      waiting: [],
      waitingBytes: 0,
      opening: undefined,
    };
    this.#talks.set(route, talk);
    return talk;
  }

  #say(route: Route, talk: Talk, frame: WordFrame): void {
    if (talk.opening === undefined && this.#options.current(route)?.say(frame) === true) return;
    talk.waitingBytes += frame.word.length;
    // It cannot be told in order any more; and who is that far behind is not worth telling.
    if (talk.waitingBytes > MAX_WAITING_BYTES) this.#giveUp(route, talk);
    else talk.waiting.push(frame);
    talk.opening ??= this.#open(route, talk);
  }

  async #open(route: Route, talk: Talk): Promise<void> {
    try {
      await this.#options.open(route);
    } catch {
      this.#giveUp(route, talk);
    }
    talk.opening = undefined;
    const { waiting } = talk;
    talk.waiting = [];
    talk.waitingBytes = 0;
    for (const frame of waiting) this.#options.current(route)?.say(frame);
  }

  /** Whoever waits for an answer looks elsewhere. */
  #giveUp(route: Route, talk: Talk): void {
    talk.waiting = [];
    talk.waitingBytes = 0;
    talk.rpc.drop(gone(route));
  }
}

function gone(route: Route): LayerswarmError {
  return new LayerswarmError('peer-gone', `peer ${parseRoute(route).peerId} is gone, or takes no lane`);
}
