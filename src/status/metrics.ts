import { collectDefaultMetrics, Counter, Histogram, Registry } from 'prom-client';
import { collectEventLoopLag } from './event-loop-lag.ts';
import type { Receipt } from './receipt-document.ts';
import type { StatusDocument } from './status-document.ts';
import { addStatusMetrics } from './status-metrics.ts';

/** Of prom-client: gauges whose names say that they are counters, which promtool rightly complains about; a heap that is none; and lags with the time between two samples in them. */
const UNWANTED = [
  ...['handles', 'requests', 'resources'].map((what) => `nodejs_active_${what}_total`),
  'process_heap_bytes',
  ...['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'].map((what) => `nodejs_eventloop_lag_${what}_seconds`),
];
/** The library's own sampling is not wanted, and cannot be turned off. */
const NEVER_MS = 2 ** 31 - 1;
/** Of the registry endpoint, for what can be read. */
const ROUTES = ['base', 'manifest', 'blob', 'tags', 'referrers'];
const PULL_RESULTS: readonly Receipt['result'][] = ['done', 'failed', 'aborted'];
/** A client may send any word as its method. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']);

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
    addStatusMetrics(this.#registry, () => this.#document ?? this.#read());
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
}
