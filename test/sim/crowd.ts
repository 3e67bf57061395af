import { Digest } from '../../src/oci/digest.ts';
import { CrowdSearch } from '../../src/swarm/exchange/core/crowd-search.ts';
import { MemberDistance } from '../../src/swarm/exchange/core/distance.ts';
import { Download } from '../../src/swarm/exchange/core/download.ts';
import { LeaseTable } from '../../src/swarm/exchange/core/lease-table.ts';
import { DOWNLOAD_LIMITS } from '../../src/swarm/exchange/core/limits.ts';
import { PieceLayout } from '../../src/swarm/exchange/core/piece-layout.ts';
import { EventQueue } from './event-queue.ts';
import { Host, type Leases, type World } from './host.ts';
import { Port, SharedLine } from './link.ts';
import { mulberry } from './random.ts';
import type { CrowdResult, CrowdScenario } from './scenario.ts';

const DEFAULT_LATENCY_MS = 0.5;
/** As `Libp2pNetwork` has it: beyond this many members a node knows a random part of the others. */
const DEFAULT_CONNECTIONS = 256;
const LONGEST_MS = 3_600_000;

/** Runs the real choices (Download, LeaseTable, MemberDistance) of every host against a model of their lines. */
export function simulateCrowd(scenario: CrowdScenario): CrowdResult {
  return new Crowd(scenario).run();
}

class Crowd implements World {
  readonly queue = new EventQueue();
  readonly random: () => number;
  readonly latencyMs: number;
  readonly originDelayMs: number;
  readonly origin: Port;
  readonly #scenario: CrowdScenario;
  readonly #layout: PieceLayout;
  readonly #zones: { readonly out: SharedLine; readonly in: SharedLine }[];
  readonly #hosts: Host[];
  readonly #byId: Map<string, Host>;
  /** Closest to the blob first. */
  readonly #ranked: Host[];
  /** Hosts that have the member connected which hands out leases, once there are more than a mesh takes. */
  #near: Set<Host> | undefined;
  #living: number;

  constructor(scenario: CrowdScenario) {
    this.#scenario = scenario;
    this.latencyMs = scenario.latencyMs ?? DEFAULT_LATENCY_MS;
    this.originDelayMs = scenario.originDelayMs ?? 0;
    this.random = mulberry(scenario.seed ?? 1);
    this.#layout =
      scenario.pieceLength === undefined ? new PieceLayout(scenario.size) : new PieceLayout(scenario.size, scenario.pieceLength);
    const rate = scenario.zoneRate ?? Infinity;
    const zones = Math.max(0, ...scenario.hosts.map(({ zone }) => (zone ?? -1) + 1));
    this.#zones = Array.from({ length: zones }, () => ({ out: new SharedLine(rate), in: new SharedLine(rate) }));
    this.origin = new Port(this.queue, { up: scenario.originUp, down: Infinity, latencyMs: this.latencyMs });
    this.#hosts = scenario.hosts.map(({ up, down, zone, arriveMs }, i) => {
      const search = new CrowdSearch({ ...DOWNLOAD_LIMITS, ...scenario.limits }, this.random);
      const port = new Port(this.queue, {
        up,
        down,
        latencyMs: this.latencyMs,
        ...(zone === undefined ? {} : { zone: this.#zones[zone]! }),
      });
      return new Host(
        this,
        `host-${i}`,
        port,
        new Download(this.#layout, this.random, { ...DOWNLOAD_LIMITS, ...scenario.limits }),
        search,
        zone?.toString(),
        arriveMs ?? 0,
      );
    });
    this.#living = this.#hosts.length;
    this.#byId = new Map(this.#hosts.map((host) => [host.id, host]));
    this.#ranked = new MemberDistance((id) => id)
      .rank(
        Digest.of(Buffer.from('blob')),
        this.#hosts.map(({ id }) => id),
      )
      .map((id) => this.host(id));
  }

  run(): CrowdResult {
    const { coordinatorDiesMs, hosts, size } = this.#scenario;
    for (const [i, host] of this.#hosts.entries()) {
      this.queue.after(host.arrivedAt, () => this.#arrive(host));
      const { dieMs, stopMs } = hosts[i]!;
      if (stopMs !== undefined) this.queue.after(stopMs, () => this.#stop(host));
      if (dieMs !== undefined) this.queue.after(dieMs, () => this.#die(host));
    }
    if (coordinatorDiesMs !== undefined) this.queue.after(coordinatorDiesMs, () => this.#die(this.#coordinator));
    this.queue.run(() => this.#living === 0, LONGEST_MS);
    const mean = (sum: (host: Host) => number): number => this.#hosts.reduce((total, host) => total + sum(host), 0) / this.#hosts.length;
    const living = this.#hosts.filter(({ alive, port }) => alive && !port.stopped);
    return {
      seconds: this.#hosts.map(({ arrivedAt, finishedAt }) => (finishedAt === undefined ? undefined : (finishedAt - arrivedAt) / 1000)),
      lastSeconds: living.reduce((last, { finishedAt }) => Math.max(last, finishedAt ?? Infinity), 0) / 1000,
      originCopies: this.origin.sentBytes / size,
      duplicates: mean(({ duplicateBytes }) => duplicateBytes) / size,
      silences: mean(({ silences }) => silences),
      messages: mean(({ messages }) => messages),
      controlBytes: mean((host) => host.controlBytes),
      mostMessages: this.#hosts.reduce((most, { received }) => Math.max(most, received), 0),
      zoneCopies: this.#zones.reduce((most, zone) => Math.max(most, zone.in.bytes), 0) / size,
      events: this.queue.count,
    };
  }

  host(id: string): Host {
    return this.#byId.get(id)!;
  }

  leases(asker: Host, urgent = false): Leases {
    const at = this.#coordinator;
    if (!this.#knows(asker, at) && !urgent) return 'elsewhere';
    if (urgent) this.#near?.add(asker);
    at.table ??= new LeaseTable(this.#layout, this.queue.now);
    return { at, table: at.table };
  }

  finished(host: Host): void {
    this.#living--;
    this.#ranked.find(({ alive }) => alive)?.table?.complete(host.id, this.queue.now);
  }

  get #coordinator(): Host {
    return this.#ranked.find(({ alive, port }) => alive && !port.stopped)!;
  }

  get #connections(): number {
    return this.#scenario.connections ?? DEFAULT_CONNECTIONS;
  }

  #knows(asker: Host, coordinator: Host): boolean {
    if (asker === coordinator || this.#hosts.length <= this.#connections) return true;
    this.#near ??= new Set(this.#sample(this.#connections, ({ alive }) => alive));
    return this.#near.has(asker);
  }

  #arrive(host: Host): void {
    if (!host.alive) return;
    host.start(this.#hosts.length <= this.#connections ? this.#hosts : this.#sample(this.#connections, () => true));
  }

  #sample(count: number, fits: (host: Host) => boolean): Host[] {
    const chosen = new Set<Host>();
    for (let tries = 0; tries < 20 * count && chosen.size < count; tries++) {
      const host = this.#hosts[Math.floor(this.random() * this.#hosts.length)]!;
      if (fits(host)) chosen.add(host);
    }
    return [...chosen];
  }

  #stop(host: Host): void {
    host.port.stopped = true;
    if (!host.complete) this.#living--;
  }

  #die(host: Host): void {
    if (!host.alive) return;
    if (!host.complete) this.#living--;
    const coordinator = this.#coordinator;
    if (host === coordinator) this.#near = undefined;
    host.alive = false;
    host.port.alive = false;
    const told = new Set([coordinator, ...host.download.neighbours.keys().map((id) => this.host(id))]);
    for (const other of told) {
      this.queue.after(this.latencyMs, () => {
        other.lose(host);
      });
    }
  }
}
