import { mulberry } from './random.ts';
import type { CrowdScenario, HostScenario } from './scenario.ts';

const MBIT = 1e6 / 8;
const RATE = 64 * MBIT;
const SLOW = 2 * MBIT;
const FAST = 1000 * MBIT;
const ZONES = 4;
/** Clients that are told to pull at the same moment come within this time. */
const MOMENTS_MS = 3000;

/** What is simulated at every scale: a blob of `size` bytes, hosts and origin at 64 Mbit/s where nothing else is said. */
export const CASES: Record<string, (hosts: number, size: number) => CrowdScenario> = {
  'equal rates': (hosts, size) => ({ size, originUp: RATE, hosts: equal(hosts) }),
  'equal rates of 1 Gbit/s': (hosts, size) => ({
    size,
    originUp: FAST,
    hosts: Array.from({ length: hosts }, () => ({ up: FAST, down: FAST })),
  }),
  'a third at a quarter of the rate': (hosts, size) => ({
    size,
    originUp: RATE,
    hosts: equal(hosts).map((host, i) => (i % 3 === 2 ? { up: RATE / 4, down: RATE / 4 } : host)),
  }),
  'arrivals over twice the bound': (hosts, size) => ({
    size,
    originUp: RATE,
    hosts: equal(hosts).map((host, i) => ({ ...host, arriveMs: (i * 2 * boundMs(size)) / hosts })),
  }),
  'moments apart, at 2 Mbit/s': (hosts, size) => ({
    size,
    originUp: SLOW,
    hosts: Array.from({ length: hosts }, (_, i) => ({ up: SLOW, down: SLOW, arriveMs: (i * MOMENTS_MS) / hosts })),
  }),
  'a tenth leaves, a tenth joins': (hosts, size) => churn(hosts, size),
  "four zones, four hosts' rate between them": (hosts, size) => ({
    size,
    originUp: RATE,
    hosts: equal(hosts).map((host, i) => ({ ...host, zone: i % ZONES })),
    zoneRate: 4 * RATE,
  }),
  'the coordinator dies half-way': (hosts, size) => ({ size, originUp: RATE, hosts: equal(hosts), coordinatorDiesMs: boundMs(size) / 2 }),
};

function equal(count: number): HostScenario[] {
  return Array.from({ length: count }, () => ({ up: RATE, down: RATE }));
}

function boundMs(size: number): number {
  return (size * 1000) / RATE;
}

/** Both at any time until the bound. */
function churn(count: number, size: number): CrowdScenario {
  const random = mulberry(count);
  const moment = (): number => random() * boundMs(size);
  const hosts = equal(count).map((host, i): HostScenario => {
    if (i % 10 === 0) return { ...host, dieMs: moment() };
    return i % 10 === 5 ? { ...host, arriveMs: moment() } : host;
  });
  return { size, originUp: RATE, hosts };
}
