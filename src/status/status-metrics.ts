import { Counter, Gauge, type Registry } from 'prom-client';
import { version } from '../version.ts';
import type { HealthLevel, OriginStatus, StatusDocument } from './status-document.ts';

const ORIGIN_STATES: readonly OriginStatus['state'][] = ['unknown', 'ok', 'unreachable', 'unauthorized', 'conflict'];
const HEALTH_LEVELS: readonly HealthLevel[] = ['ok', 'degraded', 'bad', 'unknown'];
const TRANSFER_STATES = ['finding', 'fetching', 'verifying'] as const;

type Sample<L extends string> = readonly [labels: Readonly<Record<L, string>>, value: number];
type Samples<L extends string> = (status: StatusDocument) => readonly Sample<L>[];

/** Adds the metrics that follow from the status document. `read` is called for each of them at each scrape. */
export function addStatusMetrics(registry: Registry, read: () => StatusDocument): void {
  const metrics = new StatusMetrics(registry, read);
  addGauges(metrics);
  addCounters(metrics);
  new Gauge({ name: 'layerswarm_build_info', help: 'Version that is running.', labelNames: ['version'], registers: [registry] }).set(
    { version },
    1,
  );
}

class StatusMetrics {
  readonly #registry: Registry;
  readonly #read: () => StatusDocument;

  constructor(registry: Registry, read: () => StatusDocument) {
    this.#registry = registry;
    this.#read = read;
  }

  gauge(name: string, help: string, value: (status: StatusDocument) => number): void {
    this.labelledGauge(name, help, [], (status) => [[{}, value(status)]]);
  }

  counter(name: string, help: string, value: (status: StatusDocument) => number): void {
    this.labelledCounter(name, help, [], (status) => [[{}, value(status)]]);
  }

  labelledGauge<L extends string>(name: string, help: string, labelNames: readonly L[], samples: Samples<L>): void {
    this.#registry.registerMetric(new Gauge({ ...this.#following(samples), name, help, labelNames: [...labelNames] }));
  }

  labelledCounter<L extends string>(name: string, help: string, labelNames: readonly L[], samples: Samples<L>): void {
    this.#registry.registerMetric(new Counter({ ...this.#following(samples), name, help, labelNames: [...labelNames] }));
  }

  states<S extends string>(name: string, help: string, states: readonly S[], value: (status: StatusDocument, state: S) => number): void {
    this.labelledGauge(name, help, ['state'], (status) => states.map((state) => [{ state }, value(status, state)]));
  }

  #following<L extends string>(samples: Samples<L>): { registers: []; collect(this: Gauge<L> | Counter<L>): void } {
    const read = this.#read;
    return {
      registers: [],
      collect() {
        this.reset();
        for (const [labels, value] of samples(read())) this.inc(labels, value);
      },
    };
  }
}

function addGauges(metrics: StatusMetrics): void {
  metrics.gauge('layerswarm_peers', 'Members that this node is connected to.', ({ peers }) => peers.length);
  metrics.gauge('layerswarm_slow_peers', 'Members that lately gave far less than others did.', ({ membership }) => membership.slow.length);
  metrics.gauge(
    'layerswarm_charter_serial',
    'Serial of the charter that this node follows, 0 without one.',
    ({ charter }) => charter?.serial ?? 0,
  );
  metrics.gauge(
    'layerswarm_charter_behind_peers',
    'Members that follow an older charter than this node, or none.',
    ({ charter }) => charter?.behind.length ?? 0,
  );
  metrics.gauge('layerswarm_banned_peers', 'Peers that this node refuses.', ({ bans }) => bans.length);
  metrics.gauge('layerswarm_store_blobs', 'Complete blobs on disk.', ({ store }) => store.blobs);
  metrics.gauge('layerswarm_store_bytes', 'Bytes of complete blobs on disk.', ({ store }) => store.bytes);
  metrics.gauge('layerswarm_store_limit_bytes', 'Size limit of the store, 0 without one.', ({ store }) => store.maxBytes ?? 0);
  metrics.gauge('layerswarm_store_refusing', '1 while the store takes no new blobs: they pass through to clients.', ({ store }) =>
    store.reason === null ? 0 : 1,
  );
  metrics.gauge('layerswarm_store_partial_blobs', 'Unfinished blobs on disk.', ({ store }) => store.partial);
  metrics.gauge(
    'layerswarm_containerd_blobs',
    'Blobs of containerd that are given from its own files.',
    ({ containerd }) => containerd?.blobs ?? 0,
  );
  metrics.gauge('layerswarm_containerd_bytes', 'Bytes of these.', ({ containerd }) => containerd?.bytes ?? 0);
  metrics.gauge('layerswarm_pinned_images', 'Pinned images.', ({ store }) => store.pinned);
  metrics.gauge('layerswarm_images', 'Images that are complete here.', ({ images }) => images.filter(({ complete }) => complete).length);
  metrics.gauge('layerswarm_transfer_bytes_per_second', 'Rate of the downloads that are running.', ({ transfers }) =>
    transfers.reduce((sum, { bytesPerSecond }) => sum + bytesPerSecond, 0),
  );
  metrics.gauge('layerswarm_ready', 'Whether pulls can be served.', ({ health }) => Number(health.ready));
  metrics.gauge('layerswarm_store_free_bytes', 'Free bytes of the file system of the store.', ({ store }) => store.freeBytes ?? Number.NaN);
  metrics.gauge('layerswarm_store_reserve_bytes', 'Of these, what the store leaves free.', ({ store }) => store.reserveBytes);
  metrics.gauge(
    'layerswarm_leases',
    'Extents of blobs that this node has given members, or itself, to read from the origin.',
    ({ activity }) => activity.leases,
  );
  metrics.gauge('layerswarm_reads', 'Extents that this node is reading.', ({ activity }) => activity.reads);
  metrics.labelledGauge(
    'layerswarm_uploads',
    'Ranges that members asked for: on their way, or waiting for their turn.',
    ['state'],
    ({ activity: { uploads } }) => Object.entries(uploads).map(([state, value]) => [{ state }, value]),
  );
  metrics.labelledGauge(
    'layerswarm_replication_queue',
    'Tags on their way to other registries.',
    ['state'],
    ({ replication: { targets } }) =>
      (['waiting', 'running', 'failed'] as const).map((state) => [{ state }, targets.reduce((sum, target) => sum + target[state], 0)]),
  );
  metrics.labelledGauge('layerswarm_health', 'How each part of the node is: 1 for its level.', ['part', 'level'], ({ health }) =>
    Object.entries(health.parts).flatMap(([part, { level }]) =>
      HEALTH_LEVELS.map((candidate) => [{ part, level: candidate }, Number(candidate === level)]),
    ),
  );
  metrics.labelledGauge('layerswarm_swarm_key_info', 'Ids of the swarm keys that this node accepts.', ['key'], ({ membership }) =>
    membership.keyIds.map((key) => [{ key }, 1]),
  );
  metrics.labelledGauge('layerswarm_origin_up', 'Whether the origin, and each mirrored registry, does its work.', ['registry'], (status) =>
    registriesOf(status).map(({ name, state }) => [{ registry: name }, Number(state === 'ok')]),
  );
  metrics.labelledGauge(
    'layerswarm_origin_last_success_seconds',
    'Seconds since it last did, or since this node started.',
    ['registry'],
    (status) =>
      registriesOf(status).map(({ name, reachedAt }) => [
        { registry: name },
        reachedAt === null ? status.uptimeSeconds : Math.max(0, (Date.now() - Date.parse(reachedAt)) / 1000),
      ]),
  );
  metrics.states('layerswarm_origin_state', 'State of the origin: 1 for the one that it is in.', ORIGIN_STATES, (status, state) =>
    status.origin.state === state ? 1 : 0,
  );
  metrics.states(
    'layerswarm_transfers',
    'Downloads that are running, by state.',
    TRANSFER_STATES,
    (status, state) => status.transfers.filter((transfer) => transfer.state === state).length,
  );
}

function addCounters(metrics: StatusMetrics): void {
  metrics.labelledCounter(
    'layerswarm_handshake_failures_total',
    'Handshakes with those who are no members: other_key holds another swarm key, or none.',
    ['reason'],
    ({ membership }) => Object.entries(membership.handshakeFailures).map(([reason, value]) => [{ reason }, value]),
  );
  metrics.labelledCounter(
    'layerswarm_origin_requests_total',
    'Requests to the origin and to mirrored registries, by status, or timeout or unreachable.',
    ['registry', 'code'],
    (status) =>
      registriesOf(status).flatMap(({ name, answers }) =>
        Object.entries({ 200: 0, ...answers }).map(([code, value]): Sample<'registry' | 'code'> => [{ registry: name, code }, value]),
      ),
  );
  metrics.counter('layerswarm_origin_received_bytes_total', 'Blob bytes read from the origin.', ({ traffic }) => traffic.fromOriginBytes);
  metrics.counter('layerswarm_peers_received_bytes_total', 'Blob bytes received from members.', ({ traffic }) => traffic.fromPeersBytes);
  metrics.counter(
    'layerswarm_saved_bytes_total',
    'Bytes given to clients and members that were not read from the origin for them.',
    ({ traffic }) => Math.max(0, traffic.toClientsBytes + traffic.toPeersBytes - traffic.fromOriginBytes),
  );
  metrics.counter(
    'layerswarm_store_evicted_blobs_total',
    'Blobs that left the store to make room, with age, or since they were purged or found damaged.',
    ({ store }) => store.removed,
  );
  metrics.counter(
    'layerswarm_pieces_verified_total',
    'Pieces of blobs that came, from wherever, and were proven.',
    ({ traffic }) => traffic.verifiedPieces,
  );
  metrics.labelledCounter('layerswarm_bans_total', 'Peers that were banned, by reason.', ['reason'], ({ membership }) =>
    Object.entries(membership.bansByReason).map(([reason, value]) => [{ reason }, value]),
  );
  metrics.counter(
    'layerswarm_pieces_rejected_total',
    'Pieces from members that turned out wrong.',
    ({ traffic }) => traffic.rejectedPieces,
  );
  metrics.labelledCounter(
    'layerswarm_peer_faults_total',
    'Peers that were cut: for what they sent, for not saying hello in time, for not reading, for silence, for making this node work beyond their share.',
    ['kind'],
    ({ membership }) => Object.entries(membership.peerFaults).map(([kind, value]) => [{ kind }, value]),
  );
  metrics.counter(
    'layerswarm_unknown_messages_total',
    'Messages of types that this version does not know, which it passed over.',
    ({ membership }) => membership.unknownMessages,
  );
  metrics.counter(
    'layerswarm_stray_errors_total',
    'Failures that nobody waited for: each is a bug, and in the log with its stack.',
    ({ strayErrors }) => strayErrors,
  );
  metrics.counter('layerswarm_peers_sent_bytes_total', 'Blob bytes sent to members.', ({ traffic }) => traffic.toPeersBytes);
  metrics.counter(
    'layerswarm_clients_sent_bytes_total',
    'Blob bytes given to clients of the registry endpoint.',
    ({ traffic }) => traffic.toClientsBytes,
  );
  metrics.counter(
    'layerswarm_clients_vouched_bytes_total',
    'Blob bytes that clients were given before they were proven.',
    ({ traffic }) => traffic.vouchedBytes,
  );
}

/** The origin, also where a member is it, and the mirrors; not the aliases, which are as well as the origin is. */
function registriesOf({
  origin,
  registries,
}: StatusDocument): { name: string; state: string; reachedAt: string | null; answers: Readonly<Record<string, number>> }[] {
  const listed = registries.flatMap(({ name, kind, state, reachedAt, answers }) =>
    kind === 'alias' ? [] : [{ name, state: state ?? 'unknown', reachedAt, answers }],
  );
  if (listed.length > 0 && registries.some(({ kind }) => kind === 'origin')) return listed;
  return [
    {
      name: 'origin',
      state: origin.state,
      reachedAt: origin.source === 'embedded' ? new Date().toISOString() : origin.reachedAt,
      answers: origin.answers,
    },
    ...listed,
  ];
}
