import type { Route } from '../route.ts';

export const TICKET_BYTES = 32;
/** Tickets that wait to be used. A peer gets one for each lane that it opens, so this is many more than there are peers. */
const MAX_TICKETS = 4096;

/** What a ticket admits: one lane of one thread of a peer, with the certificate that it named. */
export interface Ticket {
  /** Of the thread. */
  readonly route: Route;
  /** SHA-256 of the certificate. */
  readonly fingerprint: Uint8Array;
  /** This side asked for the lane, since it cannot reach the peer's port: it makes requests on it, too. */
  readonly asked: boolean;
  /** Milliseconds, on the clock that `TicketBook` is given. */
  readonly expiresAt: number;
}

/** The tickets that this node gave out and that were not used. */
export class TicketBook {
  readonly #now: () => number;
  readonly #tickets = new Map<string, Ticket>();

  constructor(now: () => number) {
    this.#now = now;
  }

  get size(): number {
    return this.#tickets.size;
  }

  add(secret: Uint8Array, ticket: Ticket): void {
    // All live equally long, so the oldest are the first to go.
    for (const [key, { expiresAt }] of this.#tickets) {
      if (expiresAt > this.#now() && this.#tickets.size < MAX_TICKETS) break;
      this.#tickets.delete(key);
    }
    this.#tickets.set(keyOf(secret), ticket);
  }

  /** Uses the ticket up, whatever comes of it: undefined when there is none, or it is not for that certificate. */
  redeem(secret: Uint8Array, fingerprint: Uint8Array): Ticket | undefined {
    const key = keyOf(secret);
    const ticket = this.#tickets.get(key);
    this.#tickets.delete(key);
    if (ticket === undefined || ticket.expiresAt <= this.#now()) return undefined;
    return Buffer.compare(ticket.fingerprint, fingerprint) === 0 ? ticket : undefined;
  }
}

function keyOf(secret: Uint8Array): string {
  return Buffer.from(secret).toString('hex');
}
