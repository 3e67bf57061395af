import { z } from 'zod';
import { BoundedMap } from '../../bounded-map.ts';
import { addressGroup, isLoopback } from './address.ts';
import { BAN_REASONS } from './ban-reasons.ts';
import type { Ban } from './network.ts';
import { readStateFile, writeStateFile } from './state-file.ts';

export const MAX_BANS = 1000;
/** Were there more, the rest would count as one. */
const MAX_REASONS = 16;
const OTHER_REASONS = 'other';
/** Who holds the swarm key can make identities at will: an address that had this many banned is refused as a whole. */
const BANS_AN_ADDRESS = 3;

const fileSchema = z.object({
  format: z.literal(1),
  bans: z
    .array(
      z.object({ peerId: z.string().max(128), reason: z.string().max(500), until: z.int().min(0), address: z.string().max(64).optional() }),
    )
    .max(MAX_BANS),
});

interface Entry extends Ban {
  /** Group of the address that it was seen at, see `addressGroup`; never a loopback address. */
  readonly address: string | undefined;
}

/** Whom this node refuses. Local, never told to others, kept over restarts until each ban ends. */
export class Bans {
  readonly #path: string;
  readonly #now: () => number;
  readonly #onWarning: (line: string) => void;
  readonly #entries = new BoundedMap<string, Entry>(MAX_BANS);
  /** Bans since the start, by reason. */
  readonly counts = new Map<string, number>(Object.values(BAN_REASONS).map((reason) => [reason, 0]));
  #saving: Promise<void> = Promise.resolve();

  constructor(path: string, now: () => number, onWarning: (line: string) => void) {
    this.#path = path;
    this.#now = now;
    this.#onWarning = onWarning;
  }

  async load(): Promise<void> {
    const file = await readStateFile(this.#path, fileSchema);
    for (const { peerId, reason, until, address } of file?.bans ?? []) this.#entries.set(peerId, { peerId, reason, until, address });
    this.#expire();
  }

  /** `address`: the multiaddr that the peer was connected from, where it is known. */
  add(ban: Ban, address: string | undefined): void {
    this.#expire();
    const counted = this.counts.has(ban.reason) || this.counts.size < MAX_REASONS ? ban.reason : OTHER_REASONS;
    this.counts.set(counted, (this.counts.get(counted) ?? 0) + 1);
    const group = address === undefined ? undefined : addressGroup(address);
    this.#entries.set(ban.peerId, {
      ...ban,
      reason: ban.reason.slice(0, 500),
      address: group === undefined || group === 'unknown' || isLoopback(group) ? undefined : group,
    });
    this.#saving = this.#save(this.#saving);
  }

  list(): Ban[] {
    this.#expire();
    return [...this.#entries.values()].map(({ peerId, reason, until }) => ({ peerId, reason, until }));
  }

  refusesPeer(peerId: string): boolean {
    this.#expire();
    return this.#entries.has(peerId);
  }

  /** `address`: a multiaddr. */
  refusesAddress(address: string): boolean {
    this.#expire();
    if (this.#entries.size < BANS_AN_ADDRESS) return false;
    const group = addressGroup(address);
    let count = 0;
    for (const entry of this.#entries.values()) if (entry.address === group) count += 1;
    return count >= BANS_AN_ADDRESS;
  }

  async close(): Promise<void> {
    await this.#saving;
  }

  #expire(): void {
    const now = this.#now();
    for (const entry of this.#entries.values()) if (entry.until <= now) this.#entries.delete(entry.peerId);
  }

  async #save(before: Promise<void>): Promise<void> {
    await before;
    try {
      await writeStateFile(this.#path, { format: 1, bans: [...this.#entries.values()] });
    } catch (error) {
      this.#onWarning(`the bans could not be saved: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
