import test from 'ava';
import { CrowdSearch } from '../../../../../src/swarm/exchange/core/crowd-search.ts';
import { DOWNLOAD_LIMITS } from '../../../../../src/swarm/exchange/core/limits.ts';

const LIMITS = { ...DOWNLOAD_LIMITS, meshNeighbours: 8, relayNeighbours: 8 };

function searchAmong(near: number, far = 0, zones = 1): CrowdSearch {
  const search = new CrowdSearch(LIMITS, Math.random);
  for (let i = 0; i < near; i++) search.add(`near-${i}`, undefined);
  for (let i = 0; i < far; i++) search.add(`far-${i}`, `zone-${i % zones}`);
  return search;
}

test('in a small swarm everyone is asked at once', (t) => {
  const search = searchAmong(6, 2);
  t.is(new Set(search.next()).size, 8);
  t.is(search.reach, 'all');
  t.deepEqual(search.next(), []);
});

test('in a large swarm some are asked, and no more when they are enough', (t) => {
  const search = searchAmong(100);
  const asked = search.next();
  t.is(asked.length, 4);
  for (const member of asked) search.answered(member, true);
  t.deepEqual(search.next(), []);
  t.is(search.reach, 'some');
});

test('while too few have anything to exchange, as many more are asked as were before', (t) => {
  const search = searchAmong(100);
  const waves: number[] = [];
  for (let asked = search.next(); asked.length > 0; asked = search.next()) {
    waves.push(asked.length);
    for (const member of asked) search.answered(member, false);
  }
  t.deepEqual(waves, [4, 4, 8, 16, 32, 36]);
  t.is(search.reach, 'all');
});

test('who is silent does not hold up the others for long', (t) => {
  const search = searchAmong(100);
  const [silent, ...others] = search.next();
  t.deepEqual(search.next(), []);
  for (const member of others) search.answered(member, false);
  const next = search.next();
  t.is(next.length, 4);
  t.false(next.includes(silent!));
});

test('one of each other zone is asked beside those of this one, as far as there are few zones', (t) => {
  const counts = (members: readonly string[]): [number, number] => [
    members.filter((member) => member.startsWith('near')).length,
    new Set(members.filter((member) => member.startsWith('far')).map((member) => Number(member.slice(4)) % 10)).size,
  ];
  t.deepEqual(counts(searchAmong(100, 100, 1).next()).at(0), 4);
  t.is(searchAmong(100, 100, 1).next().length, 5);
  t.deepEqual(counts(searchAmong(100, 20, 10).next()), [4, 2]);
});

test('members of other zones are found when this one has none, and when zones have emptied', (t) => {
  const search = searchAmong(0, 100, 50);
  for (let i = 0; i < 100; i += 50) search.remove(`far-${i}`);
  const asked = new Set<string>();
  for (let wave = search.next(); wave.length > 0; wave = search.next()) {
    for (const member of wave) {
      asked.add(member);
      search.answered(member, false);
    }
  }
  t.is(asked.size, 98);
});

test('with a zone for every member not all ask the same ones', (t) => {
  const asked = new Set(Array.from({ length: 20 }, () => searchAmong(0, 100, 100).next()).flat());
  t.true(asked.size > 20, `${asked.size} are asked by twenty`);
});

test('a member that came by itself is not asked, and counts', (t) => {
  const search = searchAmong(100);
  for (const member of ['near-1', 'near-2', 'near-3', 'near-4']) search.answered(member, true);
  t.deepEqual(search.next(), []);
});

test('another is asked in place of one that left', (t) => {
  const search = searchAmong(100);
  const asked = search.next();
  for (const member of asked) search.answered(member, true);
  search.remove(asked[0]!);
  t.true(search.next().length > 0);
});

test('it is full with twice as many as it looks for, so that those who come late find others, too', (t) => {
  const search = searchAmong(0);
  for (let i = 0; i < 16; i++) {
    t.false(search.isFull);
    search.answered(`member-${i}`, true);
  }
  t.true(search.isFull);
  t.true(search.exchangesWith('member-0'));
});

test('who asked very many may still not know everyone', (t) => {
  const search = searchAmong(200);
  for (let asked = search.next(); asked.length > 0; asked = search.next()) for (const member of asked) search.answered(member, false);
  t.is(search.reach, 'few');
});
