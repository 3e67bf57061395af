import type { MessageOf } from '../../protocol/message.ts';

const GROWING_INTERVAL_MS = 1000;
const SETTLED_INTERVAL_MS = 60_000;
/** The first members that join are asked at once; the others come around by and by. */
const ASKED_AT_ONCE = 3;
/** As many as the message carries. */
const MAX_ADDRESSES = 128;
const ADDRESSES_A_PEER = 2;

export interface PeerExchangeOptions {
  /** Members now, with the multiaddrs (peer id included) that they said they listen on. */
  members(): { peerId: string; listen: readonly string[] }[];
  ask(peerId: string): Promise<MessageOf<'peers'>>;
  /** Unchecked addresses that a member told; returns whether any was new. */
  onFound(addresses: readonly string[]): boolean;
  random(): number;
}

/** Asks members whom they know, and answers them. */
export class PeerExchange {
  readonly #options: PeerExchangeOptions;
  #asked = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: PeerExchangeOptions) {
    this.#options = options;
  }

  start(): void {
    this.#schedule(SETTLED_INTERVAL_MS);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  onJoined(peerId: string): void {
    if (this.#asked >= ASKED_AT_ONCE) return;
    this.#asked += 1;
    void this.#ask(peerId);
  }

  /** A random choice of members: who asks several times, or several members, learns of all. */
  answer(asker: string): MessageOf<'peers'> {
    const addresses = this.#options.members()
      .filter((member) => member.peerId !== asker)
      .map((member) => ({ listen: member.listen.slice(0, ADDRESSES_A_PEER), order: this.#options.random() }))
      .sort((a, b) => a.order - b.order)
      .flatMap((member) => member.listen);
    return { type: 'peers', addresses: addresses.slice(0, MAX_ADDRESSES) };
  }

  async #ask(peerId: string): Promise<void> {
    let news = false;
    try {
      news = this.#options.onFound((await this.#options.ask(peerId)).addresses);
    } catch {
      // It left, or is busy; there are others to ask.
    }
    this.#schedule(news ? GROWING_INTERVAL_MS : SETTLED_INTERVAL_MS);
  }

  #schedule(delayMs: number): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      const members = this.#options.members();
      const chosen = members[Math.floor(this.#options.random() * members.length)];
      if (chosen === undefined) this.#schedule(SETTLED_INTERVAL_MS);
      else void this.#ask(chosen.peerId);
    }, delayMs * (0.75 + this.#options.random() / 2));
  }
}
