import test from 'ava';
import type { Finding } from '../../../../src/agent/health/finding.ts';
import { findClock, findMembers, findMirror, findOrigin, findStore } from '../../../../src/agent/health/findings.ts';
import type { OriginStatus } from '../../../../src/status/status-document.ts';

const origin = (changes: Partial<OriginStatus>): OriginStatus => ({
  url: 'https://r',
  name: 'r',
  source: 'configured',
  state: 'ok',
  reason: null,
  bytes: 0,
  reachedAt: '2026-01-01T00:00:00.000Z',
  answers: {},
  ...changes,
});
const MIB = 2 ** 20;
const disk = (freeBytes: number, freeInodes?: number): Finding => findStore({ kind: 'known', freeBytes, freeInodes }, 256 * MIB, '/data');
const peer = (clockAheadMs?: number): { name: string; peerId: string; clockAheadMs: number | undefined } => ({
  name: 'n',
  peerId: 'p',
  clockAheadMs,
});
const stranger = (address: string): { address: string; failures: number; lastAt: string } => ({ address, failures: 1, lastAt: '' });
const members = { strangers: [], slow: [], keyId: '0123', uptimeMs: 60_000, peers: [] };

const FINDINGS: readonly (readonly [title: string, finding: Finding, level: Finding['level'], sentence: RegExp])[] = [
  ['an origin that answers', findOrigin(origin({})), 'ok', /https:\/\/r answers/],
  [
    'an origin that is away',
    findOrigin(origin({ state: 'unreachable', reason: 'connection refused' })),
    'bad',
    /is unreachable: connection refused/,
  ],
  [
    'an origin that was never reached',
    findOrigin(origin({ state: 'unreachable', reason: 'no route', reachedAt: null })),
    'bad',
    /not reached since this node started: no route/,
  ],
  ['an origin that was not asked yet', findOrigin(origin({ state: 'unknown', reachedAt: null })), 'unknown', /not reached yet/],
  ['no origin', findOrigin(origin({ url: null, source: 'none', state: 'unknown', reachedAt: null })), 'bad', /no origin is known/],
  ['two origins', findOrigin(origin({ state: 'conflict', reason: 'members name two' })), 'degraded', /members name two/],
  [
    'a node that is the origin',
    findOrigin(origin({ url: 'embedded:P', name: 'reg.embedded', source: 'embedded' })),
    'ok',
    /^this node is the origin, reg\.embedded$/,
  ],
  [
    'a node that is one of two origins',
    findOrigin(origin({ url: 'embedded:P', name: 'reg.embedded', source: 'embedded', state: 'conflict', reason: 'members name two' })),
    'degraded',
    /^members name two$/,
  ],
  [
    'an origin in another node that is away',
    findOrigin(origin({ url: 'embedded:P', name: 'reg.embedded', state: 'unreachable', reason: 'node-1 is gone' })),
    'bad',
    /^the origin reg\.embedded is unreachable: node-1 is gone$/,
  ],
  [
    'a mirror that is away',
    findMirror('quay.io', 'https://q', { state: 'unreachable', reason: 'x', bytes: 0, reachedAt: 1 }),
    'degraded',
    /^quay\.io at https:\/\/q is unreachable: x$/,
  ],
  ['members', findMembers({ ...members, peers: [peer(), peer()] }), 'ok', /^2 members are connected$/],
  [
    'members, and a stranger',
    findMembers({ ...members, peers: [peer()], strangers: [stranger('10.0.0.11')] }),
    'ok',
    /1 member is connected; a node at 10\.0\.0\.11 has another swarm key$/,
  ],
  [
    'a member that gives very little, and nobody else anything',
    findMembers({
      ...members,
      peers: [{ name: 'x' }],
      slow: [{ peerId: 'p', name: 'node-7', bytesPerSecond: 2 ** 15, othersBytesPerSecond: null }],
    }),
    'ok',
    /^1 member is connected; node-7 is slow: it gives 32\.0 KiB\/s$/,
  ],
  [
    'members, one of them slow',
    findMembers({
      ...members,
      peers: [peer(), peer()],
      slow: [{ peerId: 'p', name: 'node-7', bytesPerSecond: 2 ** 17, othersBytesPerSecond: 2 ** 23 }],
    }),
    'ok',
    /^2 members are connected; node-7 is slow: it gives 128 KiB\/s where others give 8\.00 MiB\/s$/,
  ],
  [
    'strangers alone',
    findMembers({ ...members, strangers: [stranger('10.0.0.11'), stranger('10.0.0.12')] }),
    'bad',
    /no member is connected: a node at 10\.0\.0\.11 has another swarm key, and 1 more have too; this node has 0123/,
  ],
  ['nobody', findMembers(members), 'degraded', /no member is connected/],
  ['nobody yet', findMembers({ ...members, uptimeMs: 1000 }), 'unknown', /looking/],
  ['room', disk(1024 * MIB), 'ok', /1\.00 GiB free/],
  ['little room', disk(300 * MIB), 'degraded', /300 MiB free, close to the reserve of 256 MiB/],
  ['less than the reserve', disk(255 * MIB), 'bad', /below the reserve of 256 MiB/],
  ['no inodes', disk(1024 * MIB, 3), 'bad', /3 inodes/],
  ['a disk that cannot be read', findStore({ kind: 'unreadable', reason: 'EIO' }, 1, '/data'), 'bad', /EIO/],
  ['clocks that agree', findClock([peer(900), peer(-2000), peer(3_600_000)], undefined), 'ok', /agrees with the members'/],
  ['a clock that is ahead', findClock([peer(70_000)], 0), 'degraded', /70 s ahead of the members'/],
  ["a clock behind the origin's", findClock([peer()], -120_000), 'degraded', /120 s behind the origin's/],
  ['no clock', findClock([], undefined), 'unknown', /no clock/],
];
for (const [title, finding, level, sentence] of FINDINGS) {
  test(`${title}: ${level}`, (t) => {
    t.is(finding.level, level);
    t.regex(finding.sentence, sentence);
  });
}
