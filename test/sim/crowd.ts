import { Digest } from '../../src/oci/digest.ts';
import { Bitfield, type Run } from '../../src/swarm/exchange/core/bitfield.ts';
import { MemberDistance } from '../../src/swarm/exchange/core/distance.ts';
import { Download, type Command } from '../../src/swarm/exchange/core/download.ts';
import { LeaseTable } from '../../src/swarm/exchange/core/lease-table.ts';
import { DOWNLOAD_LIMITS, type DownloadLimits } from '../../src/swarm/exchange/core/limits.ts';
import type { Fetch } from '../../src/swarm/exchange/core/neighbour.ts';
import type { Read } from '../../src/swarm/exchange/core/read-plan.ts';
import { PieceLayout } from '../../src/swarm/exchange/core/piece-layout.ts';
import { EventQueue } from './event-queue.ts';
import { Port } from './link.ts';

/** A crowd that wants one blob; rates in bytes a second, times in ms. */
export interface CrowdScenario {
  readonly size: number;
  readonly hosts: readonly { readonly up: number; readonly down: number; readonly arriveMs?: number; readonly dieMs?: number }[];
  readonly originUp: number;
  /** From a request to the origin to its first byte. */
  readonly originDelayMs?: number;
  readonly latencyMs?: number;
  /** How many members each one is connected to; all when absent. */
  readonly degree?: number;
  readonly limits?: Partial<DownloadLimits>;
  readonly seed?: number;
  readonly pieceLength?: number;
}

export interface CrowdResult {
  /** Seconds from a host's arrival to its last byte; undefined for one that died or never finished. */
  readonly seconds: readonly (number | undefined)[];
  readonly originCopies: number;
  /** Bytes received more than once, as a share of the blob, mean over hosts. */
  readonly duplicates: number;
  readonly messages: number;
  readonly events: number;
}

const PLAN_MS = 2;
const TICK_MS = 50;
const CREDIT = 8 << 20;

/** Runs the real choices (Download, LeaseTable, MemberDistance) of every host against a model of their lines. */
export function simulateCrowd(scenario: CrowdScenario): CrowdResult {
  return new Crowd(scenario).run();
}

interface Member {
  readonly id: string;
  readonly index: number;
  readonly port: Port;
  readonly download: Download;
  readonly neighbours: Set<Member>;
  readonly tables: Map<string, LeaseTable>;
  joined: boolean;
  alive: boolean;
  complete: boolean;
  planned: boolean;
  arrivedAt: number;
  finishedAt: number | undefined;
}

class Crowd {
  readonly #scenario: CrowdScenario;
  readonly #queue = new EventQueue();
  readonly #layout: PieceLayout;
  readonly #origin: Port;
  readonly #members: Member[] = [];
  readonly #random: () => number;
  readonly #ranked: Member[];
  readonly #latency: number;
  #messages = 0;
  #duplicateBytes = 0;

  constructor(scenario: CrowdScenario) {
    this.#scenario = scenario;
    this.#latency = scenario.latencyMs ?? 0.5;
    this.#layout = scenario.pieceLength === undefined ? new PieceLayout(scenario.size) : new PieceLayout(scenario.size, scenario.pieceLength);
    this.#random = mulberry(scenario.seed ?? 1);
    this.#origin = new Port(this.#queue, scenario.originUp, Infinity, this.#latency);
    for (const [index, host] of scenario.hosts.entries()) {
      this.#members.push({
        id: `host-${index}`, index, port: new Port(this.#queue, host.up, host.down, this.#latency),
        download: new Download(this.#layout, this.#random, { ...DOWNLOAD_LIMITS, ...scenario.limits }),
        neighbours: new Set(), tables: new Map(), joined: false, alive: true, complete: false, planned: false, arrivedAt: host.arriveMs ?? 0, finishedAt: undefined,
      });
    }
    const byId = new Map(this.#members.map((member) => [member.id, member]));
    this.#ranked = new MemberDistance().rank(Digest.of(Buffer.from('blob')), byId.keys()).map((id) => byId.get(id)!);
    this.#connect();
  }

  run(): CrowdResult {
    for (const member of this.#members) {
      this.#queue.after(member.arrivedAt, () => this.#arrive(member));
      const { dieMs } = this.#scenario.hosts[member.index]!;
      if (dieMs !== undefined) this.#queue.after(dieMs, () => this.#die(member));
    }
    const done = (): boolean => this.#members.every((member) => !member.alive || member.finishedAt !== undefined);
    this.#queue.run(done, 3_600_000);
    return {
      seconds: this.#members.map(({ arrivedAt, finishedAt }) => (finishedAt === undefined ? undefined : (finishedAt - arrivedAt) / 1000)),
      originCopies: this.#origin.sentBytes / this.#scenario.size,
      duplicates: this.#duplicateBytes / this.#scenario.size / this.#members.length,
      messages: this.#messages,
      events: this.#queue.count,
    };
  }

  #connect(): void {
    const { degree } = this.#scenario;
    const link = (a: Member, b: Member): void => {
      if (a === b) return;
      a.neighbours.add(b);
      b.neighbours.add(a);
    };
    for (const member of this.#members) {
      if (degree === undefined || degree >= this.#members.length) for (const other of this.#members) link(member, other);
      else while (member.neighbours.size < degree) link(member, this.#members[Math.floor(this.#random() * this.#members.length)]!);
    }
  }

  /** Every member is there from the start; a host's arrival is when it begins to want the blob. */
  #arrive(member: Member): void {
    if (!member.alive) return;
    member.joined = true;
    for (const other of member.neighbours) {
      this.#message(() => {
        if (!other.alive || !other.joined) return;
        this.#meet(other, member);
        this.#message(() => this.#meet(member, other));
      });
    }
    this.#queue.after(2 * this.#latency, () => this.#plan(member));
    this.#tick(member);
  }

  #meet(at: Member, other: Member): void {
    if (!at.alive || !other.alive) return;
    const role = other.complete ? 'complete' : 'fetching';
    const bits = Bitfield.fromBytes(other.download.servable.toBytes(), this.#layout.pieceCount);
    at.download.meet(other.id, role, bits, other.complete ? 0 : CREDIT, this.#queue.now);
    this.#plan(at);
  }

  #die(member: Member): void {
    member.alive = false;
    member.port.alive = false;
    for (const other of member.neighbours) {
      this.#message(() => {
        other.download.lose(member.id);
        for (const table of other.tables.values()) table.leave(member.id);
        this.#plan(other);
      });
    }
  }

  #tick(member: Member): void {
    if (!member.alive || (member.complete && member.download.pushBacklogBytes === 0)) return;
    this.#plan(member);
    this.#queue.after(TICK_MS, () => this.#tick(member));
  }

  #plan(member: Member): void {
    if (member.planned || !member.alive || !member.joined) return;
    member.planned = true;
    this.#queue.after(PLAN_MS, () => {
      member.planned = false;
      if (!member.alive) return;
      const coordinator = this.#coordinator(member);
      member.download.coordinator = coordinator === member ? undefined : coordinator.id;
      for (const command of member.download.plan(this.#queue.now)) this.#execute(member, command);
    });
  }

  /** The closest member that is alive; with a bounded degree, requests to it are relayed by neighbours. */
  #coordinator(_member: Member): Member {
    return this.#ranked.find(({ alive }) => alive)!;
  }

  #execute(member: Member, command: Command): void {
    switch (command.type) {
      case 'have':
        for (const peer of command.peers) this.#tell(member, peer, (other) => {
          other.download.gained(member.id, command.runs, member.download.pushBacklogBytes, this.#queue.now);
          other.tables.get('')?.have(member.id, command.runs, this.#queue.now);
        });
        member.tables.get('')?.have(member.id, command.runs, this.#queue.now);
        break;
      case 'promise':
        for (const peer of command.peers) this.#tell(member, peer, (other) => other.download.promised(member.id, command.runs, this.#queue.now));
        break;
      case 'ask-lease':
        this.#askLease(member, command.pieces, command.active);
        break;
      case 'read':
        this.#read(member, command.read);
        break;
      case 'push':
        this.#push(member, this.#byId(command.peer), command.piece);
        break;
      case 'fetch':
        this.#fetch(member, command.fetch);
        break;
      case 'cancel':
        this.#cancelled.add(command.fetch);
        break;
      default:
        command satisfies never;
    }
  }

  readonly #cancelled = new Set<Fetch>();

  #askLease(member: Member, pieces: number, active: readonly Run[]): void {
    const coordinator = this.#coordinator(member);
    const bits = Bitfield.fromBytes(member.download.have.toBytes(), this.#layout.pieceCount);
    const ask = (): void => {
      const table = coordinator.tables.get('') ?? new LeaseTable(this.#layout, this.#queue.now);
      coordinator.tables.set('', table);
      const answer = table.request(member.id, bits, active, pieces, this.#queue.now);
      const take = (): void => {
        if (!member.alive) return;
        if ('extents' in answer) for (const command of member.download.leased(answer.extents, this.#queue.now)) this.#execute(member, command);
        else member.download.leaseDelayed(answer.waitMs, this.#queue.now);
        this.#plan(member);
      };
      if (coordinator === member) take();
      else this.#message(take);
    };
    if (coordinator === member) ask();
    else this.#message(ask);
  }

  #read(member: Member, read: Read): void {
    const { first, count } = read.extent;
    const end = (): void => {
      member.download.readEnded(read, this.#queue.now);
      const coordinator = this.#coordinator(member);
      this.#message(() => {
        const table = coordinator.tables.get('');
        table?.have(member.id, [[first, count]], this.#queue.now);
        table?.end(member.id, read.extent.id, 'done', this.#queue.now);
      });
      this.#plan(member);
    };
    this.#queue.after(this.#latency + (this.#scenario.originDelayMs ?? 0), () => {
      for (let piece = first; piece < first + count; piece++) {
        this.#origin.send(member.port, {
          bytes: this.#layout.bytes(piece),
          stillWanted: () => member.alive,
          sent: () => undefined,
          delivered: () => {
            this.#arrived(member, piece, { read });
            if (piece === first + count - 1) end();
          },
        });
      }
    });
  }

  #push(member: Member, peer: Member, piece: number): void {
    const bytes = this.#layout.bytes(piece);
    let refused = false;
    member.port.send(peer.port, {
      bytes,
      // The receiver says at once that it has the piece: the sender stops before its bytes.
      stillWanted: () => {
        refused = peer.download.have.has(piece);
        return !refused;
      },
      sent: () => {
        member.download.pushEnded(peer.id, piece, !refused);
        this.#plan(member);
      },
      delivered: () => {
        this.#arrived(peer, piece, { push: member.id });
        this.#message(() => member.download.credited(peer.id, bytes));
      },
    });
  }

  #fetch(member: Member, fetch: Fetch): void {
    const peer = this.#byId(fetch.peer);
    const last = fetch.first + fetch.count - 1;
    const finish = (outcome: 'done' | 'failed' | 'cancelled'): void => {
      member.download.fetchEnded(fetch, outcome, this.#queue.now);
      this.#plan(member);
    };
    this.#message(() => {
      for (let piece = fetch.first; piece <= last; piece++) {
        peer.port.send(member.port, {
          bytes: this.#layout.bytes(piece),
          stillWanted: () => !this.#cancelled.has(fetch),
          sent: () => {
            if (this.#cancelled.has(fetch) && piece === last) this.#message(() => finish('cancelled'));
          },
          delivered: () => {
            this.#arrived(member, piece, { fetch });
            if (piece === last && !this.#cancelled.has(fetch)) finish('done');
          },
        });
      }
      if (!peer.alive) this.#message(() => finish('failed'));
    });
  }

  #arrived(member: Member, piece: number, from: { push?: string; fetch?: Fetch; read?: Read }): void {
    if (member.download.have.has(piece)) this.#duplicateBytes += this.#layout.bytes(piece);
    member.download.arrived(piece, from, true, this.#queue.now);
    this.#plan(member);
    if (!member.download.have.isFull || member.complete) return;
    member.complete = true;
    member.finishedAt = this.#queue.now;
    for (const other of member.neighbours) {
      if (other.joined) this.#message(() => other.download.neighbours.has(member.id) && this.#meet(other, member));
    }
    this.#coordinator(member).tables.get('')?.complete(member.id, this.#queue.now);
  }

  #tell(from: Member, to: string, run: (other: Member) => void): void {
    const other = this.#byId(to);
    this.#message(() => {
      if (!from.alive || !other.alive) return;
      run(other);
      this.#plan(other);
    });
  }

  #message(run: () => void): void {
    this.#messages++;
    this.#queue.after(this.#latency, run);
  }

  #byId(id: string): Member {
    return this.#members[Number(id.slice(5))]!;
  }
}

/** A small generator with a seed, so that a run can be had again. */
function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** The fluid bound, in seconds: nobody can have the blob earlier (Kumar and Ross 2006). */
export function fluidBound({ size, hosts, originUp }: CrowdScenario): number {
  const up = hosts.reduce((sum, host) => sum + host.up, 0);
  return Math.max(size / originUp, size / Math.min(...hosts.map(({ down }) => down)), (hosts.length * size) / (originUp + up));
}
