import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Gauge, type Registry } from 'prom-client';

/** A sample wakes a node up; ten a second cost nothing. */
const SAMPLE_MS = 100;
const QUANTILES = [
  ['p50', 50],
  ['p90', 90],
  ['p99', 99],
] as const;

/**
 * How late the event loop was since the last scrape, under the names that other Node programs have. Node's histogram measures the time
 * from one sample to the next, which is the interval where nothing is late; that is taken off.
 */
export function collectEventLoopLag(registry: Registry): void {
  const delays = monitorEventLoopDelay({ resolution: SAMPLE_MS });
  delays.enable();
  const lag = (nanoseconds: number): number => (Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / 1e9 - SAMPLE_MS / 1000) : 0);
  const gauges = new Map(
    QUANTILES.map(([name, percentile]) => [
      percentile,
      new Gauge({
        name: `nodejs_eventloop_lag_${name}_seconds`,
        help: `The ${name} of how late the event loop was since the last scrape.`,
        registers: [registry],
      }),
    ]),
  );
  const mean = new Gauge({
    name: 'nodejs_eventloop_lag_mean_seconds',
    help: 'The mean of how late the event loop was since the last scrape.',
    registers: [registry],
  });
  // One gauge sets them all: the histogram begins anew with each scrape.
  registry.registerMetric(
    new Gauge({
      name: 'nodejs_eventloop_lag_max_seconds',
      help: 'The latest that the event loop was since the last scrape.',
      registers: [],
      collect() {
        this.set(delays.count === 0 ? 0 : lag(delays.max));
        mean.set(delays.count === 0 ? 0 : lag(delays.mean));
        for (const [percentile, gauge] of gauges) gauge.set(delays.count === 0 ? 0 : lag(delays.percentile(percentile)));
        delays.reset();
      },
    }),
  );
}
