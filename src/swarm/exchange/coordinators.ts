import { BoundedMap } from '../../bounded-map.ts';
import { errorCode } from '../../errors.ts';
import { Digest } from '../../oci/digest.ts';
import type { BlobNetwork, Peer } from '../network/network.ts';
import type { Message, MessageOf } from '../protocol/message.ts';
import { Bitfield, type Run } from './core/bitfield.ts';
import { MemberDistance } from './core/distance.ts';
import type { CrowdMember, Extent, LeaseAnswer } from './core/lease-table.ts';
import type { RangeUse, Say } from '../swarm.ts';
import { PieceLayout } from './core/piece-layout.ts';
import { pieceWork, runWork, WORK, type CountedHandlers } from './counted-handlers.ts';
import { LeaseTables } from './lease-tables.ts';
import type { Strikes } from './strikes.ts';

/**
 * A coordinator that does not answer within this is passed over for the next one, who knows less. On a busy machine, and on a slow line that
 * is full, answers take up to two seconds; one whose program has ended is known to be gone at once.
 */
const LEASE_TIMEOUT_MS = 4000;
/** Where a coordinator is out of reach, the reading is left to others for about this long. */
const ELSEWHERE_MS = 2000;
/** What the DHT said of a blob's coordinator is asked anew after this. */
const LOOKED_UP_MS = 60_000;
/** Less than who asks waits. */
const LOOKUP_TIMEOUT_MS = 1000;
/** How long a silent coordinator stays passed over. */
const PASSED_OVER_MS = 10_000;
/** Blobs of which the DHT was asked. */
const MAX_LOOKUPS = 1024;

const MAX_TRIES = 5;

export interface LeaseRequest {
  readonly layout: PieceLayout;
  /** What this node has. */
  readonly bits: Bitfield;
  /** What it is reading. */
  readonly active: readonly Run[];
  readonly pieces: number;
  readonly urgent: boolean;
  /** What this node saw of the origin. */
  readonly ranges?: RangeUse | undefined;
}

interface Lookup {
  readonly at: number;
  readonly done: Promise<void>;
  isDone: boolean;
}

export interface CoordinatorsOptions {
  readonly network: BlobNetwork;
  readonly handle: CountedHandlers['handle'];
  readonly strikes: Strikes;
  readonly now: () => number;
  readonly random?: () => number;
  /** As of `LeaseTable`. */
  readonly crowd?: ((blob: string, layout: PieceLayout) => readonly CrowdMember[]) | undefined;
  readonly say?: Say | undefined;
  /** Told what another member was given to read. */
  readonly granted?: ((peerId: string, blob: string, extents: readonly Extent[]) => void) | undefined;
}

/**
 * The leases of the swarm, both sides: this node's books for the blobs that it is closest to, and the way to the coordinator of
 * any other blob.
 */
export class Coordinators {
  readonly #network: BlobNetwork;
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #granted: CoordinatorsOptions['granted'];
  readonly #say: Say | undefined;
  readonly #doubted: (member: string) => boolean;
  readonly #distance = new MemberDistance();
  readonly #tables: LeaseTables;
  readonly #passedOver = new Map<string, number>();
  /** Blobs whose closest member was looked for in the DHT. */
  readonly #lookups = new BoundedMap<string, Lookup>(MAX_LOOKUPS);
  /** Blobs that are coordinated by a member that this node is not connected to, until when that is believed. */
  readonly #elsewhere = new Map<string, number>();

  constructor({ handle, network, now, strikes, random = Math.random, crowd = () => [], say, granted }: CoordinatorsOptions) {
    this.#granted = granted;
    this.#say = say;
    this.#network = network;
    this.#now = now;
    this.#random = random;
    this.#tables = new LeaseTables(network.self, now, crowd);
    this.#doubted = (member) => strikes.isDoubted(member, now());
    handle(
      'lease-request',
      ({ pieceLength, size }) => WORK.lookUp + pieceWork(size / pieceLength),
      (message, from) => this.#onRequest(message, from),
    );
    handle(
      'lease-report',
      ({ done }) => WORK.message + runWork(done),
      (message, from) => this.#onReport(message, from),
    );
    network.onPeer((event, { peerId }) => {
      this.#passedOver.delete(peerId);
      if (event === 'joined') return;
      this.#distance.forget(peerId);
      this.#tables.left(peerId);
    });
  }

  /** The member that hands out leases of this blob, itself perhaps; undefined when that is one who is not connected. */
  coordinator(blob: Digest): string | undefined {
    return (this.#elsewhere.get(blob.toString()) ?? 0) > this.#now() ? undefined : this.#closest(blob);
  }

  /**
   * Asks for an extent of up to `pieces`; goes to the next member when the coordinator is silent. A coordinator that is not connected
   * is left to its neighbours, who read for the whole crowd, unless the need is `urgent`: nobody else brings pieces here. Never throws.
   */
  async ask(blob: Digest, { layout, bits, active, pieces, ranges, urgent }: LeaseRequest, signal: AbortSignal): Promise<LeaseAnswer> {
    const message: MessageOf<'lease-request'> = {
      type: 'lease-request',
      blob: blob.toString(),
      size: layout.size,
      pieceLength: layout.pieceLength,
      bits: Uint8Array.from(bits.toBytes()),
      active: active.map(([first, count]): Run => [first, count]),
      pieces,
      ...(ranges === undefined ? {} : { ranges }),
    };
    this.#elsewhere.delete(message.blob);
    let insists = false;
    let member = this.#closest(blob);
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      if (member === this.#network.self) {
        await this.#lookUp(blob);
        member = this.#closest(blob);
        if (member === this.#network.self)
          return this.#tables
            .get(message.blob, layout, member)
            .request(member, bits, active, pieces, this.#now(), { doubted: this.#doubted, ranges });
      }
      try {
        const grant: MessageOf<'lease-grant'> = await this.#network.request(
          member,
          insists ? { ...message, insists } : message,
          'lease-grant',
          { signal, timeoutMs: LEASE_TIMEOUT_MS },
        );
        if (grant.redirect === undefined || insists)
          return grant.extents.length > 0 ? { extents: grant.extents } : { waitMs: grant.waitMs ?? 250 };
        if (this.#network.peer(grant.redirect) === undefined) {
          if (!urgent) return this.#leaveTo(message.blob);
          await this.#lookUp(blob);
        }
        // Whoever is closer cannot be asked: the one who knows of it is to stand in.
        insists = this.#network.peer(grant.redirect) === undefined || this.#isPassedOver(grant.redirect);
        if (!insists) member = grant.redirect;
      } catch (error) {
        if (signal.aborted) break;
        this.#say?.('a coordinator is passed over', { blob: message.blob, peer: member, reason: errorCode(error) });
        // Whatever went wrong, leases are advisory: the next closest member takes over.
        this.#passedOver.set(member, this.#now() + PASSED_OVER_MS);
        member = this.#closest(blob);
      }
    }
    return { waitMs: 250 };
  }

  report(blob: Digest, extent: Extent, done: readonly Run[], outcome: 'done' | 'failed' | 'released'): void {
    const coordinator = this.coordinator(blob);
    if (coordinator === undefined) return;
    const runs = done.map(([first, count]): Run => [first, count]);
    if (coordinator === this.#network.self) this.#end(blob.toString(), coordinator, extent.id, runs, outcome);
    else this.#network.send(coordinator, { type: 'lease-report', blob: blob.toString(), id: extent.id, done: runs, outcome });
  }

  /** A member said what it has, to whom it may concern. */
  heard(blob: string, member: string, runs: readonly Run[] | 'complete'): void {
    for (const table of this.#tables.of(blob)) {
      if (runs === 'complete') table.complete(member, this.#now());
      else table.have(member, runs, this.#now());
    }
  }

  left(blob: string, member: string): void {
    for (const table of this.#tables.of(blob)) table.leave(member);
  }

  /** The member brought wrong bytes, as it seems: what it says that it has counts for nothing here, and another hands out leases for now. */
  distrust(blob: Digest, member: string): void {
    this.left(blob.toString(), member);
    this.#passedOver.set(member, this.#now() + PASSED_OVER_MS);
  }

  /** Blobs that this node has books of. */
  get blobs(): number {
    return this.#tables.blobs;
  }

  /** Leases of this node's books. */
  get leases(): number {
    return this.#tables.leases;
  }

  /** Drops what nobody uses any more. */
  sweep(): void {
    this.#tables.sweep();
    for (const [blob, { at }] of this.#lookups) if (this.#now() - at > LOOKED_UP_MS) this.#lookups.delete(blob);
    for (const [blob, until] of this.#elsewhere) if (until <= this.#now()) this.#elsewhere.delete(blob);
  }

  #leaveTo(blob: string): LeaseAnswer {
    const waitMs = ELSEWHERE_MS * (0.5 + this.#random());
    this.#elsewhere.set(blob, this.#now() + waitMs);
    return { waitMs };
  }

  /** In a swarm where nobody knows everyone: connects to the member that is closest of all. */
  async #lookUp(blob: Digest): Promise<void> {
    const key = blob.toString();
    let lookup = this.#lookups.get(key);
    if (lookup === undefined || this.#now() - lookup.at > LOOKED_UP_MS) {
      const found = this.#network.findClosest(Buffer.from(key), AbortSignal.timeout(LOOKUP_TIMEOUT_MS));
      lookup = { at: this.#now(), done: found.then(() => undefined), isDone: false };
      this.#lookups.set(key, lookup);
    }
    await lookup.done;
    lookup.isDone = true;
  }

  #isLookedUp(blob: Digest): boolean {
    const lookup = this.#lookups.get(blob.toString());
    return lookup?.isDone === true && this.#now() - lookup.at <= LOOKED_UP_MS;
  }

  #isPassedOver(member: string): boolean {
    return (this.#passedOver.get(member) ?? 0) > this.#now();
  }

  #closest(blob: Digest): string {
    const members = [this.#network.self];
    for (const { peerId } of this.#network.peers()) if (!this.#isPassedOver(peerId)) members.push(peerId);
    return this.#distance.closest(blob, members);
  }

  /** Answers at once where it can: what the member says next, which is newer, is taken after this then. */
  #onRequest(message: MessageOf<'lease-request'>, from: Peer): Promise<Message> | Message {
    const blob = Digest.parse(message.blob);
    const knows = message.insists === true || this.#isLookedUp(blob) || this.#closest(blob) !== this.#network.self;
    return knows ? this.#answer(message, blob, from) : this.#lookUp(blob).then(() => this.#answer(message, blob, from));
  }

  #answer(message: MessageOf<'lease-request'>, blob: Digest, from: Peer): Message {
    const layout = PieceLayout.received(message.size, message.pieceLength);
    const bits = Bitfield.fromBytes(message.bits, layout.pieceCount);
    const closest = this.#closest(blob);
    if (message.insists !== true && closest !== this.#network.self && closest !== from.peerId)
      return { type: 'lease-grant', blob: message.blob, extents: [], redirect: closest };
    // Whoever insists is served all the same: a lease too many is only a copy.
    const answer = this.#tables
      .get(message.blob, layout, from.peerId)
      .request(from.peerId, bits, message.active, message.pieces, this.#now(), { doubted: this.#doubted, ranges: message.ranges });
    if ('extents' in answer) this.#granted?.(from.peerId, message.blob, answer.extents);
    return 'extents' in answer
      ? { type: 'lease-grant', blob: message.blob, extents: [...answer.extents] }
      : { type: 'lease-grant', blob: message.blob, extents: [], waitMs: Math.ceil(answer.waitMs) };
  }

  #onReport(message: MessageOf<'lease-report'>, from: Peer): undefined {
    this.#end(message.blob, from.peerId, message.id, message.done, message.outcome);
  }

  #end(blob: string, member: string, id: number, done: readonly Run[], outcome: 'done' | 'failed' | 'released'): void {
    for (const table of this.#tables.of(blob)) {
      table.have(member, done, this.#now());
      table.end(member, id, outcome, this.#now());
    }
  }
}
