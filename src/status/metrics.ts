import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { version } from '../version.ts';
import { collectEventLoopLag } from './event-loop-lag.ts';
import type { Receipt } from './receipt-document.ts';
import type { HealthLevel, OriginStatus, StatusDocument } from './status-document.ts';

const ORIGIN_STATES: readonly OriginStatus['state'][] = ['unknown', 'ok', 'unreachable', 'unauthorized', 'conflict'];
/** Of prom-client: gauges whose names say that they are counters, which promtool rightly complains about; a heap that is none; and lags with the time between two samples in them. */
const UNWANTED = [
  ...['handles', 'requests', 'resources'].map((what) => `nodejs_active_${what}_total`),
  'process_heap_bytes',
  ...['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'].map((what) => `nodejs_eventloop_lag_${what}_seconds`),
];
const HEALTH_LEVELS: readonly HealthLevel[] = ['ok', 'degraded', 'bad', 'unknown'];
/** The library's own sampling is not wanted, and cannot be turned off. */
const NEVER_MS = 2 ** 31 - 1;
/** Of the registry endpoint, for what can be read. */
const ROUTES = ['base', 'manifest', 'blob', 'tags', 'referrers'];
const PULL_RESULTS: readonly Receipt['result'][] = ['done', 'failed', 'aborted'];
/** A client may send any word as its method. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']);
const TRANSFER_STATES = ['finding', 'fetching', 'verifying'] as const;

/**
 * The node's metrics. Most follow from the status document at the moment of a scrape, so that both always agree; what only
 * events can tell is counted through the methods. Labels are of small, fixed sets: never a peer, a digest or a repository.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #pulls: Counter<'client' | 'result'>;
  readonly #pullSeconds: Histogram<'client'>;
  readonly #requestSeconds: Histogram<'route' | 'method' | 'code'>;
  readonly #staleTags: Counter;
  readonly #stalls: Counter;
  readonly #retries: Counter;
  readonly #requests: Counter<'route' | 'method' | 'status'>;
  readonly #cuts: Counter<'reason'>;
  readonly #refused: Counter<'kind'>;
  readonly #blobs: Counter<'source'>;
  readonly #read: () => StatusDocument;
  /** All of one scrape comes from one document. */
  #document: StatusDocument | undefined;

  /** @param labels what `client` and `kind` of a refused connection can be, so that each has its samples from the start */
  constructor(
    read: () => StatusDocument,
    { clients, refusals }: { readonly clients: readonly string[]; readonly refusals: readonly string[] },
  ) {
    this.#read = read;
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: NEVER_MS });
    for (const name of UNWANTED) this.#registry.removeSingleMetric(name);
    collectEventLoopLag(this.#registry);
    this.#gauges();
    this.#counters();
    this.#pulls = new Counter({
      name: 'layerswarm_pulls_total',
      help: 'Pulls that are over, by who asked and how that ended.',
      labelNames: ['client', 'result'],
      registers,
    });
    this.#pullSeconds = new Histogram({
      name: 'layerswarm_pull_duration_seconds',
      help: 'Duration of complete pulls.',
      labelNames: ['client'],
      buckets: [0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000],
      registers,
    });
    this.#stalls = new Counter({
      name: 'layerswarm_pull_stalls_total',
      help: 'Sources that fell silent during a pull, so that others took over.',
      registers,
    });
    this.#retries = new Counter({
      name: 'layerswarm_pull_retries_total',
      help: 'Reads of pulls that were given to another source, after a silence or a failure.',
      registers,
    });
    this.#staleTags = new Counter({
      name: 'layerswarm_stale_tags_total',
      help: 'Tags that were answered from memory, since the origin could not be asked.',
      registers,
    });
    this.#requests = new Counter({
      name: 'layerswarm_registry_requests_total',
      help: 'Answers of the registry endpoint.',
      labelNames: ['route', 'method', 'status'],
      registers,
    });
    this.#cuts = new Counter({
      name: 'layerswarm_registry_cut_answers_total',
      help: 'Answers that were cut short.',
      labelNames: ['reason'],
      registers,
    });
    this.#refused = new Counter({
      name: 'layerswarm_registry_refused_connections_total',
      help: 'Connections that were no plain HTTP.',
      labelNames: ['kind'],
      registers,
    });
    this.#blobs = new Counter({
      name: 'layerswarm_registry_blobs_total',
      help: 'Blobs that clients asked for, by where they were.',
      labelNames: ['source'],
      registers,
    });
    this.#requestSeconds = new Histogram({
      name: 'layerswarm_registry_request_duration_seconds',
      help: 'Time until the registry endpoint began an answer.',
      labelNames: ['route', 'method', 'code'],
      buckets: [0.005, 0.02, 0.1, 0.5, 2, 5],
      registers,
    });
    for (const route of ROUTES) {
      this.#requests.inc({ route, method: 'GET', status: '2xx' }, 0);
      this.#requestSeconds.zero({ route, method: 'GET', code: '200' });
    }
    for (const kind of refusals) this.#refused.inc({ kind }, 0);
    for (const reason of ['stalled-client', 'no-progress']) this.#cuts.inc({ reason }, 0);
    for (const source of ['store', 'swarm', 'origin']) this.#blobs.inc({ source }, 0);
    for (const client of clients) {
      for (const result of PULL_RESULTS) this.#pulls.inc({ client, result }, 0);
      this.#pullSeconds.zero({ client });
    }
  }

  pulled({ client, result, seconds, stalls, retries }: Pick<Receipt, 'client' | 'result' | 'seconds' | 'stalls' | 'retries'>): void {
    this.#stalls.inc(stalls);
    this.#retries.inc(retries);
    this.#pulls.inc({ client, result });
    if (result === 'done') this.#pullSeconds.observe({ client }, seconds);
  }

  staleTag(): void {
    this.#staleTags.inc();
  }

  answered(route: string, method: string, status: number, seconds: number): void {
    const labels = { route, method: METHODS.has(method) ? method : 'other' };
    this.#requests.inc({ ...labels, status: `${Math.floor(status / 100)}xx` });
    this.#requestSeconds.observe({ ...labels, code: String(status) }, seconds);
  }

  cut(reason: string): void {
    this.#cuts.inc({ reason });
  }

  refusedConnection(kind: string): void {
    this.#refused.inc({ kind });
  }

  blobServed(source: 'store' | 'swarm' | 'origin'): void {
    this.#blobs.inc({ source });
  }

  async scrape(): Promise<{ contentType: string; text: string }> {
    this.#document = this.#read();
    try {
      return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
    } finally {
      this.#document = undefined;
    }
  }

  readonly #status = (): StatusDocument => this.#document ?? this.#read();

  #gauges(): void {
    const gauge = (name: string, help: string, value: (status: StatusDocument) => number): void => {
      const status = this.#status;
      this.#registry.registerMetric(
        new Gauge({
          name,
          help,
          registers: [],
          collect() {
            this.set(value(status()));
          },
        }),
      );
    };
    gauge('layerswarm_peers', 'Members that this node is connected to.', ({ peers }) => peers.length);
    gauge('layerswarm_slow_peers', 'Members that lately gave far less than others did.', ({ membership }) => membership.slow.length);
    gauge(
      'layerswarm_charter_serial',
      'Serial of the charter that this node follows, 0 without one.',
      ({ charter }) => charter?.serial ?? 0,
    );
    gauge(
      'layerswarm_charter_behind_peers',
      'Members that follow an older charter than this node, or none.',
      ({ charter }) => charter?.behind.length ?? 0,
    );
    gauge('layerswarm_banned_peers', 'Peers that this node refuses.', ({ bans }) => bans.length);
    gauge('layerswarm_store_blobs', 'Complete blobs on disk.', ({ store }) => store.blobs);
    gauge('layerswarm_store_bytes', 'Bytes of complete blobs on disk.', ({ store }) => store.bytes);
    gauge('layerswarm_store_limit_bytes', 'Size limit of the store, 0 without one.', ({ store }) => store.maxBytes ?? 0);
    gauge('layerswarm_store_refusing', '1 while the store takes no new blobs: they pass through to clients.', ({ store }) =>
      store.reason === null ? 0 : 1,
    );
    gauge('layerswarm_store_partial_blobs', 'Unfinished blobs on disk.', ({ store }) => store.partial);
    gauge(
      'layerswarm_containerd_blobs',
      'Blobs of containerd that are given from its own files.',
      ({ containerd }) => containerd?.blobs ?? 0,
    );
    gauge('layerswarm_containerd_bytes', 'Bytes of these.', ({ containerd }) => containerd?.bytes ?? 0);
    gauge('layerswarm_pinned_images', 'Pinned images.', ({ store }) => store.pinned);
    gauge('layerswarm_images', 'Images that are complete here.', ({ images }) => images.filter(({ complete }) => complete).length);
    gauge('layerswarm_transfer_bytes_per_second', 'Rate of the downloads that are running.', ({ transfers }) =>
      transfers.reduce((sum, { bytesPerSecond }) => sum + bytesPerSecond, 0),
    );
    gauge('layerswarm_ready', 'Whether pulls can be served.', ({ health }) => Number(health.ready));
    gauge('layerswarm_store_free_bytes', 'Free bytes of the file system of the store.', ({ store }) => store.freeBytes ?? Number.NaN);
    gauge('layerswarm_store_reserve_bytes', 'Of these, what the store leaves free.', ({ store }) => store.reserveBytes);
    gauge(
      'layerswarm_leases',
      'Extents of blobs that this node has given members, or itself, to read from the origin.',
      ({ activity }) => activity.leases,
    );
    gauge('layerswarm_reads', 'Extents that this node is reading.', ({ activity }) => activity.reads);
    this.#labelled(
      'layerswarm_uploads',
      'Ranges that members asked for: on their way, or waiting for their turn.',
      ['state'],
      ({ activity: { uploads } }) => Object.entries(uploads).map(([state, value]) => [{ state }, value]),
    );
    this.#labelled('layerswarm_replication_queue', 'Tags on their way to other registries.', ['state'], ({ replication: { targets } }) =>
      (['waiting', 'running', 'failed'] as const).map((state) => [{ state }, targets.reduce((sum, target) => sum + target[state], 0)]),
    );
    this.#labelled('layerswarm_health', 'How each part of the node is: 1 for its level.', ['part', 'level'], ({ health }) =>
      Object.entries(health.parts).flatMap(([part, { level }]) =>
        HEALTH_LEVELS.map((candidate) => [{ part, level: candidate }, Number(candidate === level)]),
      ),
    );
    this.#labelled('layerswarm_swarm_key_info', 'Ids of the swarm keys that this node accepts.', ['key'], ({ membership }) =>
      membership.keyIds.map((key) => [{ key }, 1]),
    );
    this.#labelled('layerswarm_origin_up', 'Whether the origin, and each mirrored registry, does its work.', ['registry'], (status) =>
      registriesOf(status).map(({ name, state }) => [{ registry: name }, Number(state === 'ok')]),
    );
    this.#labelled(
      'layerswarm_origin_last_success_seconds',
      'Seconds since it last did, or since this node started.',
      ['registry'],
      (status) =>
        registriesOf(status).map(({ name, reachedAt }) => [
          { registry: name },
          reachedAt === null ? status.uptimeSeconds : Math.max(0, (Date.now() - Date.parse(reachedAt)) / 1000),
        ]),
    );
    this.#states('layerswarm_origin_state', 'State of the origin: 1 for the one that it is in.', ORIGIN_STATES, (status, state) =>
      status.origin.state === state ? 1 : 0,
    );
    this.#states(
      'layerswarm_transfers',
      'Downloads that are running, by state.',
      TRANSFER_STATES,
      (status, state) => status.transfers.filter((transfer) => transfer.state === state).length,
    );
    new Gauge({
      name: 'layerswarm_build_info',
      help: 'Version that is running.',
      labelNames: ['version'],
      registers: [this.#registry],
    }).set({ version }, 1);
  }

  #labelled<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    samples: (status: StatusDocument) => readonly Sample<L>[],
  ): void {
    const status = this.#status;
    this.#registry.registerMetric(
      new Gauge({
        name,
        help,
        labelNames: [...labelNames],
        registers: [],
        collect() {
          this.reset();
          for (const [labels, value] of samples(status())) this.set(labels, value);
        },
      }),
    );
  }

  #states<S extends string>(name: string, help: string, states: readonly S[], value: (status: StatusDocument, state: S) => number): void {
    const status = this.#status;
    this.#registry.registerMetric(
      new Gauge({
        name,
        help,
        labelNames: ['state'],
        registers: [],
        collect() {
          const document = status();
          for (const state of states) this.set({ state }, value(document, state));
        },
      }),
    );
  }

  #counters(): void {
    const counter = (name: string, help: string, value: (status: StatusDocument) => number): void => {
      const status = this.#status;
      this.#registry.registerMetric(
        new Counter({
          name,
          help,
          registers: [],
          collect() {
            this.reset();
            this.inc(value(status()));
          },
        }),
      );
    };
    const labelledCounter = <L extends string>(
      name: string,
      help: string,
      labelNames: readonly L[],
      samples: (status: StatusDocument) => readonly Sample<L>[],
    ): void => {
      const status = this.#status;
      this.#registry.registerMetric(
        new Counter({
          name,
          help,
          labelNames: [...labelNames],
          registers: [],
          collect() {
            this.reset();
            for (const [labels, value] of samples(status())) this.inc(labels, value);
          },
        }),
      );
    };
    labelledCounter(
      'layerswarm_handshake_failures_total',
      'Handshakes with those who are no members: other_key holds another swarm key, or none.',
      ['reason'],
      ({ membership }) => Object.entries(membership.handshakeFailures).map(([reason, value]) => [{ reason }, value]),
    );
    labelledCounter(
      'layerswarm_origin_requests_total',
      'Requests to the origin and to mirrored registries, by status, or timeout or unreachable.',
      ['registry', 'code'],
      (status) =>
        registriesOf(status).flatMap(({ name, answers }) =>
          Object.entries({ 200: 0, ...answers }).map(([code, value]): Sample<'registry' | 'code'> => [{ registry: name, code }, value]),
        ),
    );
    counter('layerswarm_origin_received_bytes_total', 'Blob bytes read from the origin.', ({ traffic }) => traffic.fromOriginBytes);
    counter('layerswarm_peers_received_bytes_total', 'Blob bytes received from members.', ({ traffic }) => traffic.fromPeersBytes);
    counter(
      'layerswarm_saved_bytes_total',
      'Bytes given to clients and members that were not read from the origin for them.',
      ({ traffic }) => Math.max(0, traffic.toClientsBytes + traffic.toPeersBytes - traffic.fromOriginBytes),
    );
    counter(
      'layerswarm_store_evicted_blobs_total',
      'Blobs that left the store to make room, with age, or since they were purged or found damaged.',
      ({ store }) => store.removed,
    );
    counter(
      'layerswarm_pieces_verified_total',
      'Pieces of blobs that came, from wherever, and were proven.',
      ({ traffic }) => traffic.verifiedPieces,
    );
    labelledCounter('layerswarm_bans_total', 'Peers that were banned, by reason.', ['reason'], ({ membership }) =>
      Object.entries(membership.bansByReason).map(([reason, value]) => [{ reason }, value]),
    );
    counter('layerswarm_pieces_rejected_total', 'Pieces from members that turned out wrong.', ({ traffic }) => traffic.rejectedPieces);
    labelledCounter(
      'layerswarm_peer_faults_total',
      'Peers that were cut: for what they sent, for not saying hello in time, for not reading, for silence, for making this node work beyond their share.',
      ['kind'],
      ({ membership }) => Object.entries(membership.peerFaults).map(([kind, value]) => [{ kind }, value]),
    );
    counter(
      'layerswarm_unknown_messages_total',
      'Messages of types that this version does not know, which it passed over.',
      ({ membership }) => membership.unknownMessages,
    );
    counter(
      'layerswarm_stray_errors_total',
      'Failures that nobody waited for: each is a bug, and in the log with its stack.',
      ({ strayErrors }) => strayErrors,
    );
    counter('layerswarm_peers_sent_bytes_total', 'Blob bytes sent to members.', ({ traffic }) => traffic.toPeersBytes);
    counter(
      'layerswarm_clients_sent_bytes_total',
      'Blob bytes given to clients of the registry endpoint.',
      ({ traffic }) => traffic.toClientsBytes,
    );
    counter(
      'layerswarm_clients_vouched_bytes_total',
      'Blob bytes that clients were given before they were proven.',
      ({ traffic }) => traffic.vouchedBytes,
    );
  }
}

type Sample<L extends string> = readonly [labels: Readonly<Record<L, string>>, value: number];

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
