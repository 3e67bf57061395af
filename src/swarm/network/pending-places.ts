import { addressGroup, isLoopback } from './address.ts';

/** Connections that have not shown yet that they hold the key: of everybody, and of one address or /64. */
export const MAX_PENDING = 100;
const MAX_PENDING_OF_ONE = 8;
/** Members start again together, behind one address too. */
const MAX_PENDING_OF_KNOWN = 32;
const MAX_KNOWN = 4096;

/** What this needs of a connection that comes in. */
export interface PendingConnection {
  readonly remoteAddr: { toString(): string };
  addEventListener(event: 'close', listener: () => void): void;
  abort(reason: Error): void;
}

interface Place {
  readonly group: string;
  readonly connection: PendingConnection;
}

/**
 * The places of those who have connected and not shown the key yet. Strangers share theirs, a few an address, and whoever came first
 * and is still silent makes room for the next; where members came from has places of its own.
 */
export class PendingPlaces {
  /** By remote address and port, oldest first. */
  readonly #places = new Map<string, Place>();
  readonly #known = new Set<string>();

  /** A member has been connected from there. */
  know(address: string): void {
    const group = groupOf(address);
    this.#known.delete(group);
    if (this.#known.size >= MAX_KNOWN) this.#known.delete(this.#known.values().next().value!);
    this.#known.add(group);
  }

  /** False where its address has all its places taken. */
  enter(connection: PendingConnection): boolean {
    const address = connection.remoteAddr.toString();
    const group = groupOf(address);
    const isKnown = this.#known.has(group);
    const places = [...this.#places.values()];
    const ofOne = places.filter((place) => place.group === group).length;
    if (ofOne >= (isKnown ? MAX_PENDING_OF_KNOWN : MAX_PENDING_OF_ONE)) return false;
    const strangers = places.filter((place) => !this.#known.has(place.group));
    if (!isKnown && strangers.length >= MAX_PENDING) {
      const oldest = strangers[0]!.connection;
      this.leave(oldest.remoteAddr.toString());
      oldest.abort(new Error('it was silent while others waited'));
    }
    this.#places.set(address, { group, connection });
    connection.addEventListener('close', () => {
      this.leave(address);
    });
    return true;
  }

  /** Taken, whoever by. */
  get taken(): number {
    return this.#places.size;
  }

  /** It has shown the key, or is gone. */
  leave(address: string): void {
    this.#places.delete(address);
  }
}

/** On loopback all have one address, and whoever is there is on this host anyway: each counts as one. */
function groupOf(address: string): string {
  const group = addressGroup(address);
  return isLoopback(group) ? address : group;
}
