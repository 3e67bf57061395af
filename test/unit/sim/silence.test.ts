import test from 'ava';
import { mulberry } from '../../sim/random.ts';
import { simulateCrowd } from '../../sim/crowd.ts';
import { fluidBound, type CrowdScenario, type HostScenario } from '../../sim/scenario.ts';

const MBIT = 1e6 / 8;
const SIZE = 16 << 20;
/** What silence may cost, beyond what the bandwidth needs. */
const NOTICED_SECONDS = 10;

function hosts(count: number, mbit: number): HostScenario[] {
  return Array.from({ length: count }, () => ({ up: mbit * MBIT, down: mbit * MBIT }));
}

const BUSY: [string, CrowdScenario][] = [
  ['sixteen hosts at 16 Mbit/s', { size: 2 * SIZE, hosts: hosts(16, 16), originUp: 16 * MBIT }],
  ['eight hosts at 8 Mbit/s', { size: SIZE, hosts: hosts(8, 8), originUp: 8 * MBIT }],
  ['a slow origin that takes seconds to its first byte', { size: SIZE, hosts: hosts(8, 64), originUp: 8 * MBIT, originDelayMs: 5000 }],
  ['more hosts than a mesh takes', { size: 2 * SIZE, hosts: hosts(60, 16), originUp: 16 * MBIT }],
];

for (const [name, scenario] of BUSY) {
  test(`nobody is taken for silent who is only slow: ${name}`, (t) => {
    const { duplicates, originCopies, silences } = simulateCrowd(scenario);
    t.true(silences < 1, `${silences} a host`);
    t.true(originCopies <= 1.05, `${originCopies} copies`);
    t.true(duplicates <= 0.05, `${duplicates} of the blob came twice`);
  });
}

for (let seed = 1; seed <= 12; seed++) {
  test(`hosts that stop without a word cost the others seconds: schedule ${seed}`, (t) => {
    const random = mulberry(seed);
    const count = 4 + Math.floor(random() * 8);
    const mbit = [16, 64, 256][Math.floor(random() * 3)]!;
    const bound = fluidBound({ size: SIZE, hosts: hosts(count, mbit), originUp: mbit * MBIT });
    const stopped = 1 + Math.floor((random() * count) / 3);
    const scenario: CrowdScenario = {
      size: SIZE,
      seed,
      originUp: mbit * MBIT,
      hosts: hosts(count, mbit).map((host, i) => (i < stopped ? { ...host, stopMs: random() * bound * 1000 } : host)),
    };
    // Without those that stop, which take what the others are to pass on with them.
    const alone = simulateCrowd({ ...scenario, hosts: scenario.hosts.slice(stopped) }).lastSeconds;
    const { lastSeconds } = simulateCrowd(scenario);
    t.true(
      lastSeconds <= 1.3 * Math.max(alone, bound) + NOTICED_SECONDS,
      `${lastSeconds.toFixed(1)} s, ${alone.toFixed(1)} s without them`,
    );
  });
}
