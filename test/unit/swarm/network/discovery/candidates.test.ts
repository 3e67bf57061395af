import test from 'ava';
import * as fc from 'fast-check';
import { Candidates, type CandidateSource } from '../../../../../src/swarm/network/discovery/candidates.ts';

const A = '/ip4/10.0.0.1/tcp/4001';
const B = '/ip4/10.0.0.2/tcp/4001';
const nobody = (): boolean => false;
const day = 24 * 3_600_000;

function candidates(): Candidates {
  return new Candidates('self', () => 0.5);
}

/** Fails all that is due until `until`, and says how often each key was tried. */
function failUntil(known: Candidates, from: number, until: number): Map<string, number> {
  const tries = new Map<string, number>();
  for (let now = from; now <= until; now = Math.max(now + 1, known.nextDueAt(nobody) ?? until + 1)) {
    for (const { key } of known.due(now, nobody)) {
      tries.set(key, (tries.get(key) ?? 0) + 1);
      known.trying(key, now, 1000);
      known.failed(key, now);
    }
  }
  return tries;
}

test('what is new is due at once, or after the time that the other side has to dial', (t) => {
  const known = candidates();
  t.true(known.offer({ peerId: 'a', addresses: [A], source: 'lan' }, 0));
  t.true(known.offer({ peerId: 'b', addresses: [B], source: 'lan' }, 0, 300));
  t.deepEqual(
    known.due(0, nobody).map(({ key }) => key),
    ['a'],
  );
  t.is(
    known.nextDueAt((peerId) => peerId === 'a'),
    300,
  );
  t.deepEqual(
    known.due(300, (peerId) => peerId === 'a').map(({ key }) => key),
    ['b'],
  );
});

test('itself, and who has no address, is no candidate', (t) => {
  const known = candidates();
  t.false(known.offer({ peerId: 'self', addresses: [A], source: 'configured' }, 0));
  t.false(known.offer({ peerId: 'a', addresses: [], source: 'configured' }, 0));
  t.is(known.size, 0);
});

test('the same address again is no news, another is, and comes first', (t) => {
  const known = candidates();
  known.offer({ peerId: 'a', addresses: [A], source: 'exchanged' }, 0);
  t.false(known.offer({ peerId: 'a', addresses: [A], source: 'exchanged' }, 0));
  t.true(known.offer({ peerId: 'a', addresses: [B, A], source: 'exchanged' }, 0));
  t.deepEqual(known.due(0, nobody)[0]?.addresses, [B, A]);
});

const patience: [source: CandidateSource, stillTried: boolean][] = [
  ['configured', true],
  ['remembered', true],
  ['lan', false],
  ['dns', false],
  ['exchanged', false],
];
for (const [source, stillTried] of patience) {
  test(`a ${source} candidate that is away for a day is ${stillTried ? 'still tried' : 'given up'}`, (t) => {
    const known = candidates();
    known.offer({ peerId: 'a', addresses: [A], source, seenAt: 1 }, 0);
    const tries = failUntil(known, 0, day).get('a') ?? 0;
    t.is(known.size, stillTried ? 1 : 0);
    if (stillTried) t.true(tries > day / 200_000);
    else t.is(tries, 8);
  });
}

test('a member that nobody has seen for a week is forgotten', (t) => {
  const known = candidates();
  known.offer({ peerId: 'a', addresses: [A], source: 'remembered', seenAt: 0 }, 0);
  failUntil(known, 0, 8 * day);
  t.is(known.size, 0);
});

test('a sign of life on the LAN ends a long backoff', (t) => {
  const known = candidates();
  known.offer({ peerId: 'a', addresses: [A], source: 'remembered', seenAt: 1 }, 0);
  failUntil(known, 0, 3_600_000);
  t.deepEqual(known.due(3_600_001, nobody), []);
  known.offer({ peerId: 'a', addresses: [A], source: 'lan' }, 3_610_000);
  t.is(known.due(3_610_000, nobody).length, 1);
});

test('an address whose peer turned out to be a member is left alone while it is one', (t) => {
  const known = candidates();
  known.offer({ peerId: undefined, addresses: [A], source: 'dns' }, 0);
  known.trying(A, 0, 100);
  known.reached(A, 'a');
  t.deepEqual(
    known.due(200, (peerId) => peerId === 'a'),
    [],
  );
  t.is(known.due(200, nobody).length, 1);
});

test('who joined is remembered, the latest first, and dialled soon after it left', (t) => {
  const known = candidates();
  known.offer({ peerId: 'a', addresses: [A], source: 'exchanged' }, 0);
  known.joined('a', [A], 10);
  known.joined('b', [B], 20);
  t.deepEqual(
    known.remembered().map(({ peerId, seenAt }) => [peerId, seenAt]),
    [
      ['b', 20],
      ['a', 10],
    ],
  );
  known.left('a', 1000);
  t.true(known.due(2000, (peerId) => peerId === 'b').some(({ key }) => key === 'a'));
});

test('however many are offered, the list is bounded, and the configured ones stay', (t) => {
  const known = candidates();
  known.offer({ peerId: 'mine', addresses: [A], source: 'configured' }, 0);
  for (let i = 0; i < 10_000; i++)
    known.offer({ peerId: `p${i}`, addresses: [`/ip4/10.1.${i >> 8}.${i & 255}/tcp/1`], source: 'exchanged' }, 0);
  t.is(known.size, 4096);
  t.true(known.due(0, nobody).some(({ key }) => key === 'mine'));
});

test('the configured ones are tried first', (t) => {
  const known = new Candidates('self', Math.random);
  for (let i = 0; i < 50; i++) known.offer({ peerId: `p${i}`, addresses: [A], source: 'lan' }, 0);
  known.offer({ peerId: 'mine', addresses: [B], source: 'configured' }, 0);
  t.is(known.due(0, nobody)[0]?.key, 'mine');
});

test('nobody is due twice before its dial ended or its patience did', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(5), fc.nat(10_000), fc.constantFrom('offer', 'try', 'fail', 'join', 'leave')), { maxLength: 60 }),
      (events) => {
        const known = new Candidates('self', () => 0.5);
        let now = 0;
        const busyUntil = new Map<string, number>();
        for (const [peer, wait, event] of events) {
          now += wait;
          const key = `p${peer}`;
          if (event === 'offer') known.offer({ peerId: key, addresses: [A], source: 'exchanged' }, now);
          if (event === 'try' && known.due(now, nobody).some((due) => due.key === key)) {
            known.trying(key, now, 5000);
            busyUntil.set(key, now + 5000);
          }
          if (event === 'fail') {
            known.failed(key, now);
            busyUntil.delete(key);
          }
          if (event === 'leave') {
            known.left(key, now);
            busyUntil.delete(key);
          }
          for (const due of known.due(now, nobody)) t.true((busyUntil.get(due.key) ?? 0) <= now);
        }
      },
    ),
  );
});
