import { setTimeout as delay } from 'node:timers/promises';
import { LayerswarmError } from '../../errors.ts';
import { Conversation } from '../network/conversation.ts';
import type { MessageHandlers } from '../network/handlers.ts';
import type { Peer } from '../network/network.ts';
import { TokenBucket } from '../network/rate-limit.ts';
import type { Frame } from '../protocol/frame.ts';
import type { Message, MessageOf, MessageType } from '../protocol/message.ts';
import { decodeWord, encodeWord, type Word } from '../protocol/word.ts';
import type { WordFrame } from './frame.ts';

/** Words a second, and at once, of one peer. Over it they are read later, not refused. */
const WORDS_PER_SECOND = 2000;
const WORDS_AT_ONCE = 4000;
/** A long word counts for more: it takes as much longer to read. An answer may be long, and only where it was asked for. */
const WORD_BYTES = 1024;
/** The same of all peers at one address: who has many identities, or leaves and comes back, has no more. */
const WORDS_OF_ADDRESS = 8000;
const WORDS_OF_ADDRESS_AT_ONCE = 16_000;
/** Addresses whose words are counted; one that said nothing for long has its whole share again, and need not be remembered. */
const MAX_ADDRESSES = 1024;
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
  /** A lane to the peer that is open now. The one that this side makes its requests on is best: nothing of ours is long there. */
  current(peerId: string): WordLane | undefined;
  /** Opens one. */
  open(peerId: string): Promise<unknown>;
  /** What a peer said is no word. */
  misbehaved(peerId: string, error: LayerswarmError): void;
  /** Milliseconds. */
  readonly now?: () => number;
}

interface Talk {
  readonly conversation: Conversation;
  readonly bucket: TokenBucket;
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
  /** What was said last is last. */
  readonly #addresses = new Map<string, TokenBucket>();

  constructor(options: LaneWordsOptions) {
    this.#options = options;
  }

  send(peerId: string, word: Word): void {
    this.#talk(peerId)?.conversation.send(word);
  }

  /** @throws as `Network.request` */
  async request<T extends MessageType>(peerId: string, word: Word, answer: T, options?: { signal?: AbortSignal; timeoutMs?: number }): Promise<MessageOf<T>> {
    const talk = this.#talk(peerId);
    if (talk === undefined) throw gone(peerId);
    if (this.#options.current(peerId) === undefined) {
      talk.opening ??= this.#open(peerId, talk);
      await Promise.race([talk.opening, delay(OPENING_MS, undefined, { ref: false })]);
      if (this.#options.current(peerId) === undefined) throw gone(peerId);
    }
    return await talk.conversation.request(word, answer, options);
  }

  awaits(peerId: string, id: number): boolean {
    return this.#talks.get(peerId)?.conversation.awaits(id) === true;
  }

  /** As `WordSink.heard`. @param host the address, or group of addresses, that the lane comes from */
  heard(peerId: string, host: string, { type, id, word }: WordFrame): Promise<void> | undefined {
    const talk = this.#talk(peerId);
    // It left while this was on its way.
    if (talk === undefined) return undefined;
    let message: Message;
    try {
      message = decodeWord(word);
    } catch (error) {
      if (error instanceof LayerswarmError) this.#options.misbehaved(peerId, error);
      throw error;
    }
    const now = this.#now();
    const address = this.#address(host, now);
    const counts = type === 'reply' ? 1 : Math.ceil(word.length / WORD_BYTES);
    address.take(now, counts);
    talk.bucket.take(now, counts);
    void this.#handle(talk, { kind: KINDS[type], id, message });
    if (talk.handling >= MAX_HANDLING) return (talk.handled ??= Promise.withResolvers<void>()).promise;
    const waitMs = Math.max(talk.bucket.waitMs(now), address.waitMs(now));
    return waitMs === 0 ? undefined : new Promise((resolve) => { setTimeout(resolve, waitMs); });
  }

  /** The peer is no member any longer. */
  forget(peerId: string): void {
    this.#talks.get(peerId)?.conversation.close(gone(peerId));
    this.#talks.delete(peerId);
  }

  async #handle(talk: Talk, frame: Frame): Promise<void> {
    talk.handling += 1;
    try {
      await talk.conversation.receive(frame);
    } finally {
      talk.handling -= 1;
      talk.handled?.resolve();
      talk.handled = undefined;
    }
  }

  #address(host: string, now: number): TokenBucket {
    const bucket = this.#addresses.get(host) ?? new TokenBucket(WORDS_OF_ADDRESS, WORDS_OF_ADDRESS_AT_ONCE, now);
    this.#addresses.delete(host);
    this.#addresses.set(host, bucket);
    if (this.#addresses.size > MAX_ADDRESSES) this.#addresses.delete(this.#addresses.keys().next().value!);
    return bucket;
  }

  #talk(peerId: string): Talk | undefined {
    const known = this.#talks.get(peerId);
    if (known !== undefined) return known;
    const peer = this.#options.peer(peerId);
    if (peer === undefined) return undefined;
    const talk: Talk = {
      conversation: new Conversation(peer, this.#options.handlers, ({ kind, id, message }) => {
        this.#say(peerId, talk, { type: TYPES[kind], id, word: encodeWord(message as Word) });
      }),
      bucket: new TokenBucket(WORDS_PER_SECOND, WORDS_AT_ONCE, this.#now()),
      handling: 0, handled: undefined, waiting: [], waitingBytes: 0, opening: undefined,
    };
    this.#talks.set(peerId, talk);
    return talk;
  }

  #say(peerId: string, talk: Talk, frame: WordFrame): void {
    if (talk.opening === undefined && this.#options.current(peerId)?.say(frame) === true) return;
    talk.waitingBytes += frame.word.length;
    // It cannot be told in order any more; and who is that far behind is not worth telling.
    if (talk.waitingBytes > MAX_WAITING_BYTES) this.#giveUp(peerId, talk);
    else talk.waiting.push(frame);
    talk.opening ??= this.#open(peerId, talk);
  }

  async #open(peerId: string, talk: Talk): Promise<void> {
    try {
      await this.#options.open(peerId);
    } catch {
      this.#giveUp(peerId, talk);
    }
    talk.opening = undefined;
    const { waiting } = talk;
    talk.waiting = [];
    talk.waitingBytes = 0;
    for (const frame of waiting) this.#options.current(peerId)?.say(frame);
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }

  /** Whoever waits for an answer looks elsewhere. */
  #giveUp(peerId: string, talk: Talk): void {
    talk.waiting = [];
    talk.waitingBytes = 0;
    talk.conversation.drop(gone(peerId));
  }
}

function gone(peerId: string): LayerswarmError {
  return new LayerswarmError('peer-gone', `peer ${peerId} is gone, or takes no lane`);
}
