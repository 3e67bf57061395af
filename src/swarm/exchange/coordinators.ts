import { Digest } from '../../oci/digest.ts';
import type { Network, Peer } from '../network/network.ts';
import type { Message, MessageOf } from '../protocol/message.ts';
import { Bitfield, type Run } from './core/bitfield.ts';
import { MemberDistance } from './core/distance.ts';
import { LeaseTable, type Extent, type LeaseAnswer } from './core/lease-table.ts';
import { PieceLayout } from './core/piece-layout.ts';

/** A coordinator that does not answer within this is passed over for the next one. */
const LEASE_TIMEOUT_MS = 1500;
/** How long a silent coordinator stays passed over. */
const PASSED_OVER_MS = 10_000;
/** A table that nobody asked for this long is dropped. */
const TABLE_IDLE_MS = 60_000;
/** Bounds what members can have made here. */
const MAX_BLOBS = 4096;
const MAX_SIZES = 4;

/**
 * The leases of the swarm, both sides: this node's books for the blobs that it is closest to, and the way to the coordinator of
 * any other blob.
 */
export class Coordinators {
  readonly #network: Network;
  readonly #now: () => number;
  readonly #distance = new MemberDistance();
  readonly #tables = new Map<string, Map<string, LeaseTable>>();
  readonly #passedOver = new Map<string, number>();

  constructor(network: Network, now: () => number) {
    this.#network = network;
    this.#now = now;
    network.handle('lease-request', (message, from) => this.#onRequest(message, from));
    network.handle('lease-report', (message, from) => this.#onReport(message, from));
    network.onPeer((event, { peerId }) => {
      this.#passedOver.delete(peerId);
      if (event === 'joined') return;
      this.#distance.forget(peerId);
      for (const blob of this.#tables.keys()) this.left(blob, peerId);
    });
  }

  /** The member that hands out leases of this blob, as far as this node knows; itself among them. */
  coordinator(blob: Digest): string {
    return this.#ranked(blob)[0]!;
  }

  /** Asks for an extent of up to `pieces`; goes to the next member when the coordinator is silent. Never throws. */
  async ask(blob: Digest, layout: PieceLayout, bits: Bitfield, active: readonly Run[], pieces: number, signal: AbortSignal): Promise<LeaseAnswer> {
    const message: MessageOf<'lease-request'> = {
      type: 'lease-request', blob: blob.toString(), size: layout.size, pieceLength: layout.pieceLength,
      bits: Uint8Array.from(bits.toBytes()), active: active.map(([first, count]): Run => [first, count]), pieces,
    };
    const redirected = new Set<string>();
    for (let member = this.coordinator(blob), tries = 0; tries < 4; tries++) {
      if (member === this.#network.self) return this.#table(blob.toString(), layout).request(this.#network.self, bits, active, pieces, this.#now());
      try {
        const grant = await this.#network.request(member, message, 'lease-grant', { signal, timeoutMs: LEASE_TIMEOUT_MS });
        const redirect = grant.redirect;
        if (redirect === undefined || redirected.has(redirect) || this.#network.peer(redirect) === undefined) {
          return grant.extents.length > 0 ? { extents: grant.extents } : { waitMs: grant.waitMs ?? 250 };
        }
        redirected.add(redirect);
        member = redirect;
      } catch {
        if (signal.aborted) break;
        // Whatever went wrong, leases are advisory: the next closest member takes over.
        this.#passedOver.set(member, this.#now() + PASSED_OVER_MS);
        member = this.coordinator(blob);
      }
    }
    return { waitMs: 250 };
  }

  report(blob: Digest, extent: Extent, done: readonly Run[], outcome: 'done' | 'failed' | 'released'): void {
    const coordinator = this.coordinator(blob);
    const runs = done.map(([first, count]): Run => [first, count]);
    if (coordinator === this.#network.self) this.#end(blob.toString(), coordinator, extent.id, runs, outcome);
    else this.#network.send(coordinator, { type: 'lease-report', blob: blob.toString(), id: extent.id, done: runs, outcome });
  }

  /** A member said what it has, to whom it may concern. */
  heard(blob: string, member: string, runs: readonly Run[] | 'complete'): void {
    for (const table of this.#tablesOf(blob)) {
      if (runs === 'complete') table.complete(member, this.#now());
      else table.have(member, runs, this.#now());
    }
  }

  left(blob: string, member: string): void {
    for (const table of this.#tablesOf(blob)) table.leave(member);
  }

  /** Drops what nobody uses any more. */
  sweep(): void {
    for (const [blob, tables] of this.#tables) {
      for (const [key, table] of tables) if (this.#now() - table.touchedAt > TABLE_IDLE_MS) tables.delete(key);
      if (tables.size === 0) this.#tables.delete(blob);
    }
  }

  #ranked(blob: Digest): string[] {
    const now = this.#now();
    const members = [this.#network.self];
    for (const { peerId } of this.#network.peers()) if ((this.#passedOver.get(peerId) ?? 0) <= now) members.push(peerId);
    return this.#distance.rank(blob, members);
  }

  #onRequest(message: MessageOf<'lease-request'>, from: Peer): Message {
    const layout = PieceLayout.received(message.size, message.pieceLength);
    const bits = Bitfield.fromBytes(message.bits, layout.pieceCount);
    const closest = this.#distance.rank(Digest.parse(message.blob), [this.#network.self, ...this.#network.peers().map(({ peerId }) => peerId)])[0]!;
    // Whoever is redirected here by another, or finds the closest silent, is served all the same: a lease too many is only a copy.
    const answer = this.#table(message.blob, layout).request(from.peerId, bits, message.active, message.pieces, this.#now());
    const redirect = closest === this.#network.self || closest === from.peerId ? undefined : closest;
    return 'extents' in answer
      ? { type: 'lease-grant', blob: message.blob, extents: [...answer.extents] }
      : { type: 'lease-grant', blob: message.blob, extents: [], waitMs: Math.ceil(answer.waitMs), ...(redirect === undefined ? {} : { redirect }) };
  }

  #onReport(message: MessageOf<'lease-report'>, from: Peer): undefined {
    this.#end(message.blob, from.peerId, message.id, message.done, message.outcome);
  }

  #end(blob: string, member: string, id: number, done: readonly Run[], outcome: 'done' | 'failed' | 'released'): void {
    for (const table of this.#tablesOf(blob)) {
      table.have(member, done, this.#now());
      table.end(member, id, outcome, this.#now());
    }
  }

  #tablesOf(blob: string): LeaseTable[] {
    return [...(this.#tables.get(blob)?.values() ?? [])];
  }

  #table(blob: string, layout: PieceLayout): LeaseTable {
    // Members may disagree on a blob's size (one of them lies, then): each size has a book of its own.
    const key = `${layout.size}/${layout.pieceLength}`;
    let tables = this.#tables.get(blob);
    if (tables === undefined) {
      if (this.#tables.size >= MAX_BLOBS) this.#tables.delete(this.#tables.keys().next().value!);
      tables = new Map();
      this.#tables.set(blob, tables);
    }
    let table = tables.get(key);
    if (table === undefined) {
      if (tables.size >= MAX_SIZES) tables.delete(tables.keys().next().value!);
      table = new LeaseTable(layout, this.#now());
      tables.set(key, table);
    }
    return table;
  }
}
