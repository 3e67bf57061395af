import test from 'ava';
import type { OriginAnnouncement } from '../../../src/swarm/network/network.ts';
import { chooseOrigin, normalizeOriginUrl, OriginDirectory } from '../../../src/swarm/origin-directory.ts';
import { MemorySwarm } from '../../support/memory-network.ts';
import { waitFor } from '../../support/wait-for.ts';

const A = 'https://a.example';
const B = 'https://b.example';
const configured = (url: string): OriginAnnouncement => ({ url, source: 'configured' });
const learned = (url: string): OriginAnnouncement => ({ url, source: 'learned' });

const cases: [title: string, own: OriginAnnouncement | undefined, current: OriginAnnouncement | undefined, members: (OriginAnnouncement | undefined)[], url: string | undefined, conflict: string[] | undefined][] = [
  ['nobody knows one', undefined, undefined, [undefined, undefined], undefined, undefined],
  ['a member is configured', undefined, undefined, [configured(A), undefined], A, undefined],
  ['a member has learned', undefined, undefined, [learned(A)], A, undefined],
  ['configured outweighs learned', undefined, undefined, [learned(A), learned(A), configured(B)], B, undefined],
  ['a change of configuration reaches those who learned', undefined, learned(A), [learned(A), configured(B)], B, undefined],
  ['what was learned stays when its teacher left', undefined, learned(A), [undefined], A, undefined],
  ['two that are configured: none is guessed', undefined, undefined, [configured(B), configured(A)], undefined, [A, B]],
  ['two that are configured: what is in use stays', undefined, learned(B), [configured(A), configured(B)], B, [A, B]],
  ['two that were learned: none is guessed', undefined, undefined, [learned(A), learned(B)], undefined, [A, B]],
  ['two that were learned: what is in use stays, silently', undefined, learned(A), [learned(A), learned(B)], A, undefined],
  ['the own configuration wins', configured(A), configured(A), [configured(B)], A, [A, B]],
  ['the own configuration agrees', configured(A), configured(A), [configured(A), learned(B)], A, undefined],
  ['spelling is no difference', undefined, undefined, [configured('https://A.example:443/'), configured(A)], A, undefined],
  ['nonsense is no origin', undefined, undefined, [configured('ftp://a'), configured('https://user:pass@a.example'), configured('embedded:'), configured('')], undefined, undefined],
];
for (const [title, own, current, members, url, conflict] of cases) {
  test(`choosing the origin: ${title}`, (t) => {
    const state = chooseOrigin(own, current, members.map((origin) => ({ origin })));
    t.is(state.current?.url, url);
    t.deepEqual(state.conflict, conflict);
    t.is(state.reason === undefined, url !== undefined && conflict === undefined);
    if (own === undefined && url !== undefined) t.is(state.current?.source, 'learned');
  });
}

test('an origin with a password in it is refused, and the rest normalized', (t) => {
  t.is(normalizeOriginUrl('https://user:secret@a.example'), undefined);
  t.is(normalizeOriginUrl('http://A.example:80/sub/'), 'http://a.example/sub');
  t.is(normalizeOriginUrl('embedded:12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8'), 'embedded:12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8');
});

test('one configured node teaches a chain of others, and a change follows', async (t) => {
  const swarm = new MemorySwarm();
  const [a, b, c] = [await swarm.join(), await swarm.join({ connect: false }), await swarm.join({ connect: false })];
  const [, ofB, ofC] = [new OriginDirectory(a, `${A}/`), new OriginDirectory(b, undefined), new OriginDirectory(c, undefined)];
  t.is(ofC.state.reason, 'no origin is known yet: no member has told one; give one (--origin)');
  const told: (string | undefined)[] = [];
  ofC.onChange((state) => told.push(state.current?.url));
  swarm.connect(b, c);
  swarm.connect(a, b);
  await waitFor('c learns the origin', () => ofC.state.current !== undefined);
  t.deepEqual(ofB.state.current, learned(A));
  t.deepEqual(ofC.state.current, learned(A));
  const d = await swarm.join({ connect: false });
  const ofD = new OriginDirectory(d, B);
  swarm.connect(d, c);
  await waitFor('c hears of the other configuration', () => ofC.state.current?.url === B);
  t.deepEqual(told, [A, B]);
  swarm.connect(a, d);
  await waitFor('d sees the conflict', () => ofD.state.conflict !== undefined);
  t.deepEqual(ofD.state.conflict, [A, B]);
  t.is(ofD.state.current?.url, B);
  t.regex(ofD.state.reason ?? '', /different origins .* this node uses https:\/\/b\.example/);
});
