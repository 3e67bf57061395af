import type { MessageOf } from '../../protocol/message.ts';

/** While the swarm grows members are asked often; each time nobody had news, after twice the time. */
const SHORTEST_INTERVAL_MS = 500;
const LONGEST_INTERVAL_MS = 60_000;
/** The first members that join are asked at once. */
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
  #intervalMs = SHORTEST_INTERVAL_MS;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: PeerExchangeOptions) {
    this.#options = options;
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  onJoined(peerId: string): void {
    this.#asked += 1;
    if (this.#asked <= ASKED_AT_ONCE) void this.#ask(peerId);
    // Where one came, others may have come to somebody else.
    if (this.#intervalMs > SHORTEST_INTERVAL_MS) this.#schedule(SHORTEST_INTERVAL_MS);
  }

  /** A random choice of members: who asks several times, or several members, learns of all. */
  answer(asker: string): MessageOf<'peers'> {
    const addresses = this.#options
      .members()
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
    this.#schedule(news ? SHORTEST_INTERVAL_MS : Math.min(LONGEST_INTERVAL_MS, this.#intervalMs * 2));
  }

  #schedule(intervalMs: number): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    this.#intervalMs = intervalMs;
    this.#timer = setTimeout(
      () => {
        const members = this.#options.members();
        const chosen = members[Math.floor(this.#options.random() * members.length)];
        if (chosen === undefined) this.#schedule(LONGEST_INTERVAL_MS);
        else void this.#ask(chosen.peerId);
      },
      intervalMs * (0.75 + this.#options.random() / 2),
    );
  }
}
