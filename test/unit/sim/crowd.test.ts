import test from 'ava';
import { simulateCrowd } from '../../sim/crowd.ts';
import { fluidBound, type CrowdScenario } from '../../sim/scenario.ts';

const MBIT = 1e6 / 8;
const SIZE = 16 << 20;

function hosts(count: number, mbit = 64): { up: number; down: number }[] {
  return Array.from({ length: count }, () => ({ up: mbit * MBIT, down: mbit * MBIT }));
}

/** Name, scenario, how many times the bound the last host may take, copies that may leave the origin. */
const CASES: [string, CrowdScenario, number, number][] = [
  ['eight equal hosts', { size: SIZE, hosts: hosts(8), originUp: 64 * MBIT }, 1.15, 1.02],
  ['a slow origin', { size: SIZE, hosts: hosts(8), originUp: 16 * MBIT }, 1.15, 1.02],
  ['a fast origin', { size: SIZE, hosts: hosts(8), originUp: 256 * MBIT }, 1.2, 1.02],
  ['an origin that takes 50 ms to its first byte', { size: SIZE, hosts: hosts(8), originUp: 64 * MBIT, originDelayMs: 50 }, 1.2, 1.02],
  ['more hosts than a mesh takes', { size: 2 * SIZE, hosts: hosts(100), originUp: 64 * MBIT }, 1.2, 1.02],
  ['a third of the hosts slow', { size: SIZE, hosts: [...hosts(6), ...hosts(3, 16)], originUp: 64 * MBIT }, 1.3, 1.02],
];

for (const [name, scenario, times, copies] of CASES) {
  test(`the choices bring a crowd near its bound: ${name}`, (t) => {
    const result = simulateCrowd(scenario);
    const last = Math.max(...result.seconds.map((seconds) => seconds ?? Infinity));
    t.true(last <= times * fluidBound(scenario), `the last host took ${(last / fluidBound(scenario)).toFixed(2)} times the bound`);
    t.true(result.originCopies <= copies, `${result.originCopies} copies`);
  });
}

test('the fast hosts of a crowd do not wait for what slow ones read last', (t) => {
  for (let seed = 1; seed <= 6; seed++) {
    const crowd = Array.from({ length: 16 }, (_, i) => hosts(1, i % 3 === 2 ? 16 : 64)[0]!);
    const { seconds } = simulateCrowd({ size: 4 * SIZE, hosts: crowd, originUp: 64 * MBIT, seed });
    const last = Math.max(...seconds.filter((_, i) => i % 3 !== 2).map((time) => time ?? Infinity));
    const bound = (4 * SIZE) / (64 * MBIT);
    t.true(last <= 1.2 * bound, `with seed ${seed} the last fast host took ${(last / bound).toFixed(2)} times the bound`);
  }
});

test('when two hosts die in the middle all others finish', (t) => {
  const crowd = hosts(8).map((host, i) => (i < 2 ? { ...host, dieMs: 1200 } : host));
  const { seconds } = simulateCrowd({ size: SIZE, hosts: crowd, originUp: 64 * MBIT });
  t.is(seconds.filter((time) => time !== undefined).length, 6);
});

/** Zones, hosts, how many hosts' rate joins the zones. */
const ZONES: [string, (i: number) => number, number, number][] = [
  ['four zones', (i) => i % 4, 80, 2],
  ['one zone of two hosts beside a large one', (i) => Number(i < 2), 60, 2],
  ['a zone for each host', (i) => i, 24, 4],
];

for (const [name, zoneOf, count, rate] of ZONES) {
  test(`pieces cross into each zone about once, and no zone waits: ${name}`, (t) => {
    const scenario = {
      size: 2 * SIZE,
      hosts: hosts(count).map((host, i) => ({ ...host, zone: zoneOf(i) })),
      originUp: 64 * MBIT,
      zoneRate: rate * 64 * MBIT,
    };
    const { originCopies, seconds, zoneCopies } = simulateCrowd(scenario);
    const last = Math.max(...seconds.map((time) => time ?? Infinity)) / fluidBound(scenario);
    t.true(last <= 1.2, `the last host took ${last.toFixed(2)} times the bound`);
    t.true(originCopies <= 1.02, `${originCopies} copies from the origin`);
    t.true(zoneCopies <= 1.3, `${zoneCopies.toFixed(2)} copies into a zone`);
  });
}

test('who comes while one host reads all of a blob by itself takes it from there, and the origin gives it once', (t) => {
  const scenario = { size: 4 * SIZE, hosts: hosts(3).map((host, i) => ({ ...host, arriveMs: i * 3000 })), originUp: 64 * MBIT };
  const { originCopies, seconds } = simulateCrowd(scenario);
  const last = Math.max(...seconds.map((time) => time ?? Infinity)) / fluidBound(scenario);
  t.true(last <= 1.2, `the last host took ${last.toFixed(2)} times the bound`);
  t.true(originCopies <= 1.01, `${originCopies} copies from the origin`);
});

for (const count of [8, 16, 32]) {
  test(`who comes first, and is alone for a moment, leaves the others their part of the reading: ${count} hosts on slow lines`, (t) => {
    const scenario = {
      size: 2 * SIZE,
      hosts: hosts(count, 2).map((host, i) => ({ ...host, arriveMs: (i * 3000) / count })),
      originUp: 2 * MBIT,
    };
    const { originCopies, seconds } = simulateCrowd(scenario);
    const last = Math.max(...seconds.map((time) => time ?? Infinity)) / fluidBound(scenario);
    t.true(last <= 1.2, `the last host took ${last.toFixed(2)} times the bound`);
    t.true(originCopies <= 1.02, `${originCopies} copies from the origin`);
  });
}

test('while some of a crowd complete and others still come, nothing is read a second time', (t) => {
  for (let seed = 1; seed <= 4; seed++) {
    const bound = (2 * SIZE * 1000) / (64 * MBIT);
    const crowd = hosts(32).map((host, i) => ({ ...host, arriveMs: (i * 2 * bound) / 32 }));
    const { originCopies } = simulateCrowd({ size: 2 * SIZE, hosts: crowd, originUp: 64 * MBIT, seed });
    t.true(originCopies <= 1.01, `with seed ${seed} ${originCopies} copies from the origin`);
  }
});

test('a crowd that comes when a few have the blob is as quick as one that reads it from the origin, and reads nothing there', (t) => {
  const first = 4;
  const scenario = { size: SIZE, hosts: hosts(16).map((host, i) => (i < first ? host : { ...host, arriveMs: 5000 })), originUp: 64 * MBIT };
  const { originCopies, seconds } = simulateCrowd(scenario);
  const last = Math.max(...seconds.map((time) => time ?? Infinity)) / fluidBound(scenario);
  t.true(last <= 1.2, `the last host took ${last.toFixed(2)} times the bound`);
  t.true(originCopies <= 1.02, `${originCopies} copies from the origin`);
});

test('a zone that comes later than another takes one copy from it, over a line as fast as one host', (t) => {
  const scenario = {
    size: SIZE,
    hosts: hosts(12).map((host, i) => (i < 8 ? { ...host, zone: 0 } : { ...host, zone: 1, arriveMs: 5000 })),
    originUp: 64 * MBIT,
    zoneRate: 64 * MBIT,
  };
  const { seconds, zoneCopies } = simulateCrowd(scenario);
  const last = Math.max(...seconds.map((time) => time ?? Infinity)) / fluidBound(scenario);
  t.true(last <= 1.2, `the last host took ${last.toFixed(2)} times the bound`);
  t.true(zoneCopies <= 1.1, `${zoneCopies.toFixed(2)} copies into a zone`);
});
