import test from 'ava';
import { newRate } from '../../../../../src/origin/budget.ts';
import { Bandwidth } from '../../../../../src/swarm/lane/pace/bandwidth.ts';
import { Pacer, type Pace } from '../../../../../src/swarm/lane/pace/pacer.ts';
import { ReadGate } from '../../../../../src/swarm/lane/pace/read-gate.ts';
import { TestClock } from '../../../../support/test-clock.ts';
import { waitFor } from '../../../../support/wait-for.ts';

const MB = 1_000_000;

function makePacer({ rate = 0, hostRate = 0, clock = new TestClock() }): { pacer: Pacer; clock: TestClock; start: number } {
  const pacer = new Pacer({ bucket: rate === 0 ? undefined : newRate(rate), hostRate, clock });
  return { pacer, clock, start: clock.now() };
}

/** Spends as much as it may, again and again; `moved` counts what it paid for. */
class Greedy {
  moved = 0;
  readonly pace: Pace;
  #stopped = false;

  constructor(pace: Pace) {
    this.pace = pace;
  }

  go(): void {
    const { quantum } = this.pace;
    const paid = (): void => {
      this.moved += quantum;
      if (!this.#stopped) this.go();
    };
    while (!this.#stopped && this.pace.spend(quantum, paid)) this.moved += quantum;
  }

  stop(): void {
    this.#stopped = true;
    this.pace.close();
  }
}

async function runFor(ms: number, clock: TestClock, lanes: readonly Greedy[]): Promise<void> {
  const start = clock.now();
  for (const lane of lanes) lane.go();
  await waitFor('virtual time to pass', () => clock.now() - start >= ms, { interval: 1 });
  for (const lane of lanes) lane.stop();
}

const sum = (lanes: readonly Greedy[]): number => lanes.reduce((total, { moved }) => total + moved, 0);

for (const rate of [20_000, MB, 50 * MB, 2000 * MB]) {
  test(`at ${rate} bytes a second, twenty lanes together keep to it, and use all of it`, async (t) => {
    const { pacer, clock, start } = makePacer({ rate });
    const lanes = Array.from({ length: 20 }, (_, i) => new Greedy(pacer.pace(`10.0.0.${i}`)));
    await runFor(30_000, clock, lanes);
    const seconds = (clock.now() - start) / 1000;
    t.true(sum(lanes) <= rate * (seconds + 0.1) + lanes[0]!.pace.quantum, `${sum(lanes)} bytes in ${seconds} s`);
    t.true(sum(lanes) >= rate * seconds * 0.98 - lanes[0]!.pace.quantum, `${sum(lanes)} bytes in ${seconds} s`);
    const shares = lanes.map(({ moved }) => moved);
    t.true(
      Math.max(...shares) - Math.min(...shares) <= Math.max(0.1 * rate, 2 * lanes[0]!.pace.quantum) + 0.05 * Math.max(...shares),
      shares.join(' '),
    );
    t.true(clock.slept.every((ms) => ms >= 5));
  });
}

test('nothing waits, and no timer is set, while less than the limit is used', (t) => {
  const { pacer, clock } = makePacer({ rate: 10 * MB, hostRate: 5 * MB });
  const paces = [pacer.pace('10.0.0.1'), pacer.pace('10.0.0.2')];
  for (let i = 0; i < 1000; i++) {
    for (const pace of paces) t.true(pace.spend(40_000, () => t.fail('it had to wait')));
    clock.advance(10);
  }
  t.deepEqual(clock.slept, []);
});

test('what may go at once after a pause is bounded', (t) => {
  const { pacer, clock } = makePacer({ rate: 10 * MB });
  const pace = pacer.pace('10.0.0.1');
  clock.advance(3_600_000);
  let burst = 0;
  while (pace.spend(65_536, () => undefined)) burst += 65_536;
  t.true(burst >= MB && burst <= MB + 65_536, `${burst} bytes`);
});

test('a host with many lanes gets no more than one with a single lane', async (t) => {
  const { pacer, clock } = makePacer({ rate: 10 * MB });
  const many = Array.from({ length: 30 }, () => new Greedy(pacer.pace('10.0.0.1')));
  const single = new Greedy(pacer.pace('10.0.0.2'));
  await runFor(20_000, clock, [...many, single]);
  t.true(Math.abs(sum(many) - single.moved) < 0.1 * single.moved + MB, `${sum(many)} and ${single.moved}`);
});

test('no host gets more than the limit of a host, and the others do not wait for it', async (t) => {
  const { pacer, clock, start } = makePacer({ rate: 10 * MB, hostRate: MB });
  const slow = Array.from({ length: 3 }, () => new Greedy(pacer.pace('10.0.0.1')));
  const others = Array.from({ length: 4 }, (_, i) => new Greedy(pacer.pace(`10.0.1.${i}`)));
  await runFor(20_000, clock, [...slow, ...others]);
  const seconds = (clock.now() - start) / 1000;
  for (const moved of [sum(slow), ...others.map((lane) => lane.moved)]) {
    t.true(moved <= MB * (seconds + 0.1) + 65_536 && moved >= 0.9 * MB * seconds, `${moved} bytes in ${seconds} s`);
  }
});

test('a limit of hosts alone holds too', async (t) => {
  const { pacer, clock, start } = makePacer({ hostRate: MB });
  const lanes = Array.from({ length: 50 }, (_, i) => new Greedy(pacer.pace(`10.0.1.${i}`)));
  await runFor(5000, clock, lanes);
  const seconds = (clock.now() - start) / 1000;
  for (const { moved } of lanes)
    t.true(moved <= MB * (seconds + 0.1) + 65_536 && moved >= 0.9 * MB * seconds - 65_536, `${moved} bytes in ${seconds} s`);
});

test('threads that share a bucket keep to its rate together', async (t) => {
  const clock = new TestClock();
  const start = clock.now();
  const main = new Bandwidth({ upload: 5 * MB, download: 0, host: 0 }, clock);
  const worker = new Bandwidth(structuredClone(main.shared), clock);
  const lanes = [main, worker].map((bandwidth, i) => new Greedy(bandwidth.lane(`10.0.0.${i}`).sending!));
  await runFor(10_000, clock, lanes);
  const seconds = (clock.now() - start) / 1000;
  t.true(sum(lanes) <= 5 * MB * (seconds + 0.1) + 2 * 65_536, `${sum(lanes)} bytes in ${seconds} s`);
  t.true(Math.min(...lanes.map(({ moved }) => moved)) > 0);
});

test('a host keeps to its limit over all threads that it has lanes to', async (t) => {
  const clock = new TestClock();
  const start = clock.now();
  const main = new Bandwidth({ upload: 0, download: 0, host: MB }, clock);
  const threads = [main, ...Array.from({ length: 2 }, () => new Bandwidth(structuredClone(main.shared), clock))];
  const [one, other] = ['10.0.0.1', '10.0.0.2'].map((host) => threads.map((bandwidth) => new Greedy(bandwidth.lane(host).receiving!)));
  await runFor(10_000, clock, [...one!, ...other!]);
  const seconds = (clock.now() - start) / 1000;
  for (const lanes of [one!, other!]) {
    t.true(sum(lanes) <= MB * (seconds + 0.1) + threads.length * 65_536, `${sum(lanes)} bytes in ${seconds} s`);
    t.true(sum(lanes) > 0.8 * MB * seconds, `${sum(lanes)} bytes in ${seconds} s`);
    t.true(Math.min(...lanes.map(({ moved }) => moved)) > 0);
  }
});

test('without limits there is nothing to pay', (t) => {
  const bandwidth = new Bandwidth({ upload: 0, download: 0, host: 0 });
  t.deepEqual(bandwidth.lane('10.0.0.1'), { sending: undefined, receiving: undefined });
  t.is(bandwidth.originRate, undefined);
});

test('what is closed while it waits is not paid, and nobody waits for it', async (t) => {
  const { pacer, clock } = makePacer({ rate: MB });
  const [gone, other] = [pacer.pace('10.0.0.1'), pacer.pace('10.0.0.2')];
  t.true(gone.spend(MB, () => t.fail('it was paid at once')));
  t.false(gone.spend(100 * MB, () => t.fail('it is closed')));
  const paid = Promise.withResolvers<void>();
  t.false(other.spend(10, paid.resolve));
  gone.close();
  const before = clock.now();
  await paid.promise;
  t.true(clock.now() - before < 1000);
});

test('readings from an origin take their turn with the lanes, and can be aborted', async (t) => {
  const clock = new TestClock();
  const bandwidth = new Bandwidth({ upload: 0, download: 2 * MB, host: MB }, clock);
  const lane = new Greedy(bandwidth.lane('10.0.0.1').receiving!);
  const start = clock.now();
  lane.go();
  let fromOrigin = 0;
  while (clock.now() - start < 20_000) {
    await bandwidth.originRate!.take(32_768);
    fromOrigin += 32_768;
  }
  lane.stop();
  const seconds = (clock.now() - start) / 1000;
  t.true(fromOrigin + lane.moved <= 2 * MB * (seconds + 0.1) + 3 * 65_536, `${fromOrigin} and ${lane.moved} bytes in ${seconds} s`);
  t.true(
    fromOrigin > 0.4 * 2 * MB * seconds && lane.moved > 0.4 * 2 * MB * seconds,
    `${fromOrigin} and ${lane.moved} bytes in ${seconds} s`,
  );
  const reason = new Error('not wanted any more');
  await bandwidth.originRate!.take(100 * MB);
  await t.throwsAsync(bandwidth.originRate!.take(1, AbortSignal.abort(reason)), { is: reason });
  const controller = new AbortController();
  const waiting = bandwidth.originRate!.take(1, controller.signal);
  controller.abort(reason);
  await t.throwsAsync(waiting, { is: reason });
});

test('reading stops until what was read is paid for, also what came after it stopped', async (t) => {
  const { pacer, clock, start } = makePacer({ rate: MB });
  const said: string[] = [];
  const gate = new ReadGate(
    pacer.pace('10.0.0.1'),
    () => said.push('pause'),
    () => said.push('resume'),
  );
  gate.read(MB);
  t.deepEqual({ said, held: gate.isHeld }, { said: [], held: false });
  gate.read(MB);
  gate.read(MB);
  t.deepEqual({ said: [...said], held: gate.isHeld }, { said: ['pause'], held: true });
  await waitFor('the reading to go on', () => said.includes('resume'));
  // The last of the three is in debt, and is paid for by whatever is read next.
  t.true(clock.now() - start >= 1900, `${clock.now() - start} ms`);
  t.false(gate.isHeld);
});
