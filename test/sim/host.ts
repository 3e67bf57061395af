import { Bitfield } from '../../src/swarm/exchange/core/bitfield.ts';
import type { CrowdSearch } from '../../src/swarm/exchange/core/crowd-search.ts';
import type { ArrivedBy, Command, Download, FetchOutcome } from '../../src/swarm/exchange/core/download.ts';
import type { LeaseTable } from '../../src/swarm/exchange/core/lease-table.ts';
import type { Fetch } from '../../src/swarm/exchange/core/neighbour.ts';
import type { Read } from '../../src/swarm/exchange/core/read-plan.ts';
import { farZone } from '../../src/swarm/exchange/core/zone-budget.ts';
import { controlBytes, type ControlKind } from './control-cost.ts';
import type { EventQueue } from './event-queue.ts';
import type { Item, Port } from './link.ts';

/** What the hosts of one crowd share. */
export interface World {
  readonly queue: EventQueue;
  readonly latencyMs: number;
  readonly originDelayMs: number;
  readonly origin: Port;
  readonly random: () => number;
  host(id: string): Host;
  /** The way of a host to the leases; it connects to who hands them out when that is `urgent`. */
  leases(asker: Host, urgent?: boolean): Leases;
  finished(host: Host): void;
}

/** `elsewhere`: the member that hands them out is known, but not connected. */
export type Leases = { readonly at: Host; readonly table: LeaseTable } | 'elsewhere';

const PLAN_MS = 2;
const TICK_MS = 50;
/** As in `Coordinators`. */
const ELSEWHERE_WAIT_MS = 2000;

/** One host of a simulated crowd: carries out what its `Download` chooses. */
export class Host {
  readonly id: string;
  readonly port: Port;
  readonly download: Download;
  readonly zone: string | undefined;
  readonly arrivedAt: number;
  joined = false;
  alive = true;
  complete = false;
  finishedAt: number | undefined;
  /** Books that this host keeps as coordinator. */
  table: LeaseTable | undefined;
  messages = 0;
  controlBytes = 0;
  received = 0;
  duplicateBytes = 0;
  /** Times that it took a source for silent. */
  silences = 0;
  readonly #world: World;
  readonly #search: CrowdSearch;
  readonly #fetches = new Set<Fetch>();
  readonly #cancelled = new Set<Fetch>();
  #planned = false;

  constructor(world: World, id: string, port: Port, download: Download, search: CrowdSearch, zone: string | undefined, arrivedAt: number) {
    this.#world = world;
    this.id = id;
    this.port = port;
    this.download = download;
    this.#search = search;
    this.zone = zone;
    this.arrivedAt = arrivedAt;
  }

  /** Begins to want the blob. `connected`: the members that it knows. */
  start(connected: readonly Host[]): void {
    this.joined = true;
    for (const other of connected)
      if (other !== this && other.alive) this.#search.add(other.id, other.zone === this.zone ? undefined : String(other.zone));
    this.#join();
    this.wake();
    this.#tick();
  }

  /** Asks members to exchange this blob with it. */
  #join(): void {
    for (const id of this.#search.next()) {
      const other = this.#world.host(id);
      this.post(
        other,
        'join',
        () => {
          const exchanges = other.joinedBy(this);
          other.post(this, 'join', () => {
            this.#search.answered(id, exchanges);
            if (exchanges) this.meet(other);
            this.#join();
          });
        },
        0,
        this.download.servable.count > 0 ? this.download.layout.pieceCount / 8 : 0,
      );
    }
    this.download.reach = this.#search.reach;
  }

  joinedBy(other: Host): boolean {
    if (!this.joined || (!this.complete && this.#search.isFull && !this.#search.exchangesWith(other.id))) return false;
    this.#search.answered(other.id, true);
    this.meet(other);
    return true;
  }

  meet(other: Host): void {
    if (!other.alive) return;
    const { pieceCount } = this.download.layout;
    const bits = other.complete ? undefined : Bitfield.fromBytes(other.download.servable.toBytes(), pieceCount);
    this.download.meet(other.id, other.complete ? 'complete' : 'fetching', bits, this.#now, farZone(this.zone, other.zone));
    this.wake();
  }

  lose(other: Host): void {
    const neighbour = this.download.neighbours.get(other.id);
    for (const fetch of neighbour?.fetches.values() ?? []) this.#fetched(fetch, 'failed');
    this.download.lose(other.id);
    this.table?.leave(other.id);
    this.#search.remove(other.id);
    if (!this.complete && this.joined) this.#join();
    this.wake();
  }

  /** Chooses soon: what happens at about the same time is looked at together. */
  wake(): void {
    if (this.#planned || !this.alive || !this.joined) return;
    this.#planned = true;
    this.#world.queue.after(PLAN_MS, this);
  }

  happen(): void {
    this.#planned = false;
    if (!this.alive || this.port.stopped) return;
    const leases = this.#world.leases(this);
    this.download.coordinator = leases === 'elsewhere' || leases.at === this ? undefined : leases.at.id;
    this.#carryOut(this.download.plan(this.#now));
  }

  /** A control message on its way. */
  post(to: Host, kind: ControlKind, then: () => void, runs = 0, extraBytes = 0): void {
    this.#count(kind, runs, extraBytes);
    this.#world.queue.after(this.#world.latencyMs, () => {
      if (!to.alive || to.port.stopped) return;
      to.received++;
      then();
    });
  }

  get #now(): number {
    return this.#world.queue.now;
  }

  #count(kind: ControlKind, runs = 0, extraBytes = 0): void {
    this.messages++;
    this.controlBytes += controlBytes(kind, runs, extraBytes);
  }

  #tick(): void {
    if (!this.alive || this.complete) return;
    this.wake();
    this.#world.queue.after(TICK_MS, () => this.#tick());
  }

  #carryOut(commands: readonly Command[]): void {
    for (const command of commands) {
      switch (command.type) {
        case 'have':
          this.#tell(command);
          break;
        case 'ask-lease':
          this.#askLease(command);
          break;
        case 'read':
          this.#read(command.read);
          break;
        case 'fetch':
          this.#fetch(this.#world.host(command.fetch.peer), command.fetch);
          break;
        case 'silent':
          this.#silent(command.read);
          break;
        case 'cancel':
          this.#cancelled.add(command.fetch);
          break;
        default:
          command satisfies never;
      }
    }
  }

  /** One event for all who are told: there are many of these. */
  #tell({ forZone, peers, runs }: Extract<Command, { type: 'have' }>): void {
    for (let i = 0; i < peers.length; i++) this.#count('have', runs.length);
    this.table?.have(this.id, runs, this.#now);
    this.#world.queue.after(this.#world.latencyMs, () => {
      for (const peer of peers) {
        const other = this.#world.host(peer);
        if (!other.alive) continue;
        other.received++;
        other.table?.have(this.id, runs, this.#now);
        if (other.download.gained(this.id, runs, forZone, this.#now)) other.wake();
      }
    });
  }

  #askLease({ pieces, active, urgent }: Extract<Command, { type: 'ask-lease' }>): void {
    const leases = this.#world.leases(this, urgent);
    const bits = this.download.have;
    if (leases === 'elsewhere') {
      this.#count('leaseRequest', active.length, bits.length / 8);
      this.download.leaseDelayed(ELSEWHERE_WAIT_MS * (0.5 + this.#world.random()), this.#now);
      return;
    }
    const { at, table } = leases;
    const ask = (): void => {
      const answer = table.request(this.id, Bitfield.fromBytes(bits.toBytes(), bits.length), active, pieces, this.#now);
      const take = (): void => {
        if ('extents' in answer) this.#carryOut(this.download.leased(answer.extents, this.#now));
        else this.download.leaseDelayed(answer.waitMs, this.#now);
        this.wake();
      };
      if (at === this) take();
      else at.post(this, 'leaseGrant', take);
    };
    if (at === this) ask();
    else this.post(at, 'leaseRequest', ask, active.length, bits.length / 8);
  }

  #read(read: Read): void {
    const { first, count } = read.extent;
    const { originDelayMs, latencyMs, origin, queue } = this.#world;
    const holder = read.source === undefined ? undefined : this.#world.host(read.source).port;
    // One after the other, so that several reads share the line, as connections do.
    const send = (piece: number): void => {
      (holder ?? origin).send(
        this.port,
        this.#item(piece, {
          sent: () => {
            if (piece + 1 < first + count) send(piece + 1);
          },
          delivered: () => {
            this.arrived(piece, { read });
            if (piece === first + count - 1) this.#endRead(read);
          },
        }),
      );
    };
    queue.after(latencyMs + (holder === undefined ? originDelayMs : 0), () => send(first));
  }

  #silent(read: Read | undefined): void {
    this.silences++;
    const leases = this.#world.leases(this);
    if (read === undefined || leases === 'elsewhere') return;
    this.post(leases.at, 'leaseReport', () => {
      leases.table.end(this.id, read.extent.id, 'failed', this.#now);
    });
  }

  #endRead(read: Read): void {
    this.download.readEnded(read, this.#now);
    const leases = this.#world.leases(this);
    if (leases !== 'elsewhere') {
      const { first, count } = read.extent;
      this.post(
        leases.at,
        'leaseReport',
        () => {
          leases.table.have(this.id, [[first, count]], this.#now);
          leases.table.end(this.id, read.extent.id, 'done', this.#now);
        },
        1,
      );
    }
    this.wake();
  }

  #fetch(from: Host, fetch: Fetch): void {
    const last = fetch.first + fetch.count - 1;
    this.#fetches.add(fetch);
    if (!from.alive) {
      this.#world.queue.after(2 * this.#world.latencyMs, () => this.#fetched(fetch, 'failed'));
      return;
    }
    this.post(from, 'rangeRequest', () => {
      for (let piece = fetch.first; piece <= last; piece++) {
        from.port.send(
          this.port,
          this.#item(piece, {
            stillWanted: () => !this.#cancelled.has(fetch),
            sent: () => {
              if (piece === last && this.#cancelled.has(fetch)) this.#fetched(fetch, 'cancelled');
            },
            delivered: () => {
              this.arrived(piece, { fetch });
              if (piece === last) this.#fetched(fetch, 'done');
            },
          }),
        );
      }
    });
  }

  #fetched(fetch: Fetch, outcome: FetchOutcome): void {
    this.#cancelled.delete(fetch);
    if (!this.#fetches.delete(fetch)) return;
    this.download.fetchEnded(fetch, outcome, this.#now);
    this.wake();
  }

  arrived(piece: number, by: ArrivedBy): void {
    if (this.download.have.has(piece)) this.duplicateBytes += this.download.layout.bytes(piece);
    this.download.arrived(piece, by, true, this.#now);
    this.wake();
    if (!this.download.have.isFull || this.complete) return;
    this.complete = true;
    this.finishedAt = this.#now;
    for (const peer of this.download.neighbours.keys()) {
      const other = this.#world.host(peer);
      this.post(other, 'leave', () => other.download.neighbours.has(this.id) && other.meet(this));
    }
    this.#world.finished(this);
  }

  #item(piece: number, does: Partial<Omit<Item, 'bytes'>>): Item {
    return {
      bytes: this.download.layout.bytes(piece),
      stillWanted: does.stillWanted ?? (() => this.alive),
      sent: does.sent ?? (() => undefined),
      delivered: does.delivered ?? (() => undefined),
    };
  }
}
