import test from 'ava';
import type { OriginAnnouncement } from '../../../src/swarm/network/network.ts';
import {
  chooseOrigin,
  normalizeOriginUrl,
  OriginDirectory,
  SETTLED_AFTER_MS,
  type OperatorsWord,
  type OriginRecord,
} from '../../../src/swarm/origin-directory.ts';
import { MemorySwarm } from '../../support/memory-network.ts';
import { waitFor } from '../../support/wait-for.ts';

const A = 'https://a.example';
const B = 'https://b.example';
const C = 'https://c.example';
const EMBEDDED = 'embedded:12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8';
const configured = (url: string): OriginAnnouncement => ({ url, source: 'configured' });
const learned = (url: string): OriginAnnouncement => ({ url, source: 'learned' });

const ELSEWHERE = '/ip4/192.0.2.7/tcp/4001';
const NOW = 10 * SETTLED_AFTER_MS;
const unknown: OriginRecord = { url: undefined, learnedAt: 0, contested: [] };
const settled = (url: string): OriginRecord => ({ url, learnedAt: 0, contested: [] });
const young = (url: string): OriginRecord => ({ url, learnedAt: NOW - SETTLED_AFTER_MS + 1, contested: [] });
const contested = (...urls: string[]): OriginRecord => ({ url: undefined, learnedAt: 0, contested: urls });

const cases: [
  title: string,
  said: OperatorsWord,
  record: OriginRecord,
  members: (OriginAnnouncement | undefined)[],
  url: string | undefined,
  conflict: string[] | undefined,
  keeps: OriginRecord,
][] = [
  ['nobody knows one', {}, unknown, [undefined, undefined], undefined, undefined, unknown],
  ['a member is configured', {}, unknown, [configured(A), undefined], A, undefined, { ...unknown, url: A, learnedAt: NOW }],
  ['a member has learned', {}, unknown, [learned(A)], A, undefined, { ...unknown, url: A, learnedAt: NOW }],
  ['what was learned stays when its teacher left', {}, young(A), [undefined], A, undefined, young(A)],
  ['no member replaces what was learned, also one that says it is configured', {}, settled(A), [configured(B)], A, [A, B], settled(A)],
  ['nor do many', {}, settled(A), [configured(B), configured(B), learned(B)], A, [A, B], settled(A)],
  ['a new node that hears two uses neither', {}, unknown, [configured(B), learned(A)], undefined, [A, B], contested(A, B)],
  ['a new node that met the liar first gives up what it said', {}, young(B), [configured(A)], undefined, [A, B], contested(A, B)],
  ['and takes none of the two when one that said it is away', {}, contested(A, B), [configured(B)], undefined, [A, B], contested(A, B)],
  ['nor a third', {}, contested(A, B), [learned(C)], undefined, [A, B, C], contested(A, B, C)],
  ['until its operator says which', { configured: A }, contested(A, B), [learned(A)], A, undefined, settled(A)],
  ['the own configuration wins', { configured: A }, settled(B), [configured(B)], A, [A, B], settled(A)],
  ['what members learned otherwise is seen too', { configured: A }, settled(A), [configured(A), learned(B)], A, [A, B], settled(A)],
  ['the charter wins over what was learned', { charter: B }, settled(A), [learned(B)], B, undefined, settled(B)],
  ['the charter wins over the configuration', { charter: B, configured: A }, settled(A), [], B, undefined, settled(B)],
  [
    'a member that is behind is no contradiction of the charter',
    { charter: B, configured: A },
    settled(A),
    [configured(A), learned(C)],
    B,
    undefined,
    settled(B),
  ],
  ['an embedded origin stays where it is', { charter: B, configured: EMBEDDED }, unknown, [], EMBEDDED, [EMBEDDED, B].sort(), unknown],
  [
    'spelling is no difference',
    {},
    unknown,
    [configured('https://A.example:443/'), configured(A)],
    A,
    undefined,
    { ...unknown, url: A, learnedAt: NOW },
  ],
  [
    'nonsense is no origin',
    {},
    unknown,
    [
      configured('ftp://a'),
      configured('https://user:pass@a.example'),
      configured('embedded:'),
      configured('https://reg.embedded'),
      configured(''),
    ],
    undefined,
    undefined,
    unknown,
  ],
];
for (const [title, said, record, members, url, conflict, keeps] of cases) {
  test(`choosing the origin: ${title}`, (t) => {
    const chosen = chooseOrigin(
      said,
      record,
      members.map((origin, i) => ({ peerId: `member-${i}`, origin, address: ELSEWHERE })),
      NOW,
    );
    t.is(chosen.state.current?.url, url);
    t.deepEqual(chosen.state.conflict, conflict);
    t.deepEqual(chosen.record, keeps);
    t.is(chosen.state.reason === undefined, url !== undefined && conflict === undefined);
    for (const name of conflict ?? []) t.true(chosen.state.reason?.includes(name));
    if (said.configured === undefined && said.charter === undefined && url !== undefined) t.is(chosen.state.current?.source, 'learned');
  });
}

test('an origin with a password in it is refused, and the rest normalized', (t) => {
  t.is(normalizeOriginUrl('https://user:secret@a.example'), undefined);
  t.is(normalizeOriginUrl('http://A.example:80/sub/'), 'http://a.example/sub');
  t.is(
    normalizeOriginUrl('embedded:12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8'),
    'embedded:12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8',
  );
});

const HOLDER = EMBEDDED.slice('embedded:'.length);
const OTHER = '12D3KooWSahP5pFRCEfaziPEba7urXGeif6T1y8jmodzdFUvzBHj';

test('what an embedded origin is called is believed of the node that holds it, and of no other', (t) => {
  const told = (peerId: string, name: string) => ({ peerId, origin: { ...configured(EMBEDDED), name }, address: ELSEWHERE });
  const [holder, liar] = [told(HOLDER, 'reg-1'), told(OTHER, 'evil')];
  t.is(chooseOrigin({}, unknown, [liar], NOW).state.current?.name, undefined);
  const { state, record } = chooseOrigin({}, unknown, [liar, holder], NOW);
  t.deepEqual(state, { current: { ...learned(EMBEDDED), name: 'reg-1' }, conflict: undefined, reason: undefined });
  t.deepEqual(record, { url: EMBEDDED, learnedAt: NOW, contested: [], name: 'reg-1' });
  t.is(chooseOrigin({}, record, [liar], NOW).state.current?.name, 'reg-1', 'it is remembered while that node is away');
  t.is(chooseOrigin({}, record, [told(HOLDER, 'reg-2')], NOW).record.name, 'reg-2', 'and changes with its word');
  t.is(chooseOrigin({ configured: EMBEDDED, name: 'own' }, unknown, [liar], NOW).state.current?.name, 'own');
});

test('two embedded origins of one name are two origins, and the conflict says which is which', (t) => {
  const theirs = { peerId: OTHER, origin: { ...configured(`embedded:${OTHER}`), name: 'reg' }, address: ELSEWHERE };
  const { state } = chooseOrigin({ configured: EMBEDDED, name: 'reg' }, unknown, [theirs], NOW);
  t.deepEqual(state.conflict, [EMBEDDED, `embedded:${OTHER}`].sort());
  t.is(
    state.reason,
    `different origins are named in this swarm (${EMBEDDED} called reg, embedded:${OTHER} called reg): this node uses ${EMBEDDED}; one node of a swarm may hold its origin (--origin embedded): start the others without`,
  );
  const { state: joining, record } = chooseOrigin({}, { ...settled(EMBEDDED), name: 'reg' }, [theirs], NOW);
  t.deepEqual(joining.current, { ...learned(EMBEDDED), name: 'reg' }, 'a node that knows one stays with it');
  t.is(record.url, EMBEDDED);
});

test("the holder's name reaches a chain of others as each of them meets it", async (t) => {
  const swarm = new MemorySwarm();
  const [holder, near, far] = [await swarm.join(), await swarm.join({ connect: false }), await swarm.join({ connect: false })];
  const url = `embedded:${holder.self}`;
  const [, ofNear, ofFar] = [
    new OriginDirectory(holder, { configured: url, name: 'reg' }),
    new OriginDirectory(near),
    new OriginDirectory(far),
  ];
  swarm.connect(near, far);
  swarm.connect(holder, near);
  await waitFor('the origin', () => ofNear.state.current?.name === 'reg' && ofFar.state.current !== undefined);
  t.deepEqual(ofFar.state.current, learned(url), 'nobody passes it on');
  swarm.connect(holder, far);
  await waitFor('the name', () => ofFar.state.current?.name === 'reg');
});

test('a port of this host, or of its own wire, is believed of nobody elsewhere', (t) => {
  for (const [url, address, expected] of [
    ['http://127.0.0.1:8080', ELSEWHERE, undefined],
    ['http://169.254.169.254', ELSEWHERE, undefined],
    ['http://169.254.169.254', '/ip4/127.0.0.1/tcp/4001', undefined],
    ['http://127.0.0.1:8080', '/ip4/127.0.0.1/tcp/4001', 'http://127.0.0.1:8080'],
    ['http://10.0.0.1:8080', ELSEWHERE, 'http://10.0.0.1:8080'],
  ] as const)
    t.is(chooseOrigin({}, unknown, [{ peerId: 'member', origin: configured(url), address }], NOW).state.current?.url, expected, url);
});

test('one configured node teaches a chain of others; one that names another is seen, and followed by none that knows better', async (t) => {
  const swarm = new MemorySwarm();
  const [a, b, c] = [await swarm.join(), await swarm.join({ connect: false }), await swarm.join({ connect: false })];
  let now = NOW;
  const kept: OriginRecord[] = [];
  const [, ofB, ofC] = [
    new OriginDirectory(a, { configured: `${A}/` }),
    new OriginDirectory(b),
    new OriginDirectory(c, { now: () => now, onRecord: (record) => kept.push(record) }),
  ];
  t.is(ofC.state.reason, 'no origin is known yet: no member has told one; give one (--origin)');
  swarm.connect(b, c);
  swarm.connect(a, b);
  await waitFor('c learns the origin', () => ofC.state.current !== undefined);
  t.deepEqual(ofB.state.current, learned(A));
  t.deepEqual(ofC.state.current, learned(A));
  t.deepEqual(kept, [{ url: A, learnedAt: NOW, contested: [] }]);
  now += SETTLED_AFTER_MS;
  const liar = await swarm.join({ connect: false });
  const ofLiar = new OriginDirectory(liar, { configured: B });
  swarm.connect(liar, c);
  await waitFor('c hears of the other one', () => ofC.state.conflict !== undefined);
  t.deepEqual(ofC.state, {
    current: learned(A),
    conflict: [A, B],
    reason: `different origins are named in this swarm (${A}, ${B}): this node uses ${A}; give all nodes the same --origin, and see who names the other`,
  });
  swarm.isolate(b);
  await waitFor('the honest one to be away', () => c.peers().length === 1);
  t.deepEqual(ofC.state.current, learned(A));
  t.is(kept.length, 1);
  swarm.connect(a, liar);
  await waitFor('the liar sees it too', () => ofLiar.state.conflict !== undefined);

  const afresh = new OriginDirectory(await swarm.join({ connect: false }), { record: kept[0]!, now: () => now });
  t.deepEqual(afresh.state.current, learned(A), 'a restarted node has it before it has met anybody');
  afresh.setCharter(C);
  t.is(afresh.state.current?.url, C);
});
