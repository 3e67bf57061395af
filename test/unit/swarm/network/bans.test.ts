import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { addressGroup, isLoopback, parseTcpAddress } from '../../../../src/swarm/network/address.ts';
import { BAN_REASONS } from '../../../../src/swarm/network/ban-reasons.ts';
import { Bans } from '../../../../src/swarm/network/bans.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const fail = (line: string): never => {
  throw new Error(line);
};
const at = (host: string): string => `/ip4/${host}/tcp/4001`;

test('a ban holds until it ends', (t) => {
  let now = 1000;
  const bans = new Bans(join(tempDir(t), 'bans.json'), () => now, fail);
  bans.add({ peerId: 'a', reason: 'forged a list', until: 2000 }, at('10.0.0.1'));
  t.true(bans.refusesPeer('a'));
  t.false(bans.refusesPeer('b'));
  now = 2000;
  t.false(bans.refusesPeer('a'));
  t.deepEqual(bans.list(), []);
});

test('an address is refused once three of its peers are banned, and no longer', async (t) => {
  let now = 0;
  const bans = new Bans(join(tempDir(t), 'bans.json'), () => now, fail);
  for (const [peerId, until] of [
    ['a', 100],
    ['b', 200],
  ] as const)
    bans.add({ peerId, reason: '', until }, at('10.0.0.1'));
  bans.add({ peerId: 'a', reason: 'again', until: 100 }, at('10.0.0.1'));
  t.false(bans.refusesAddress(at('10.0.0.1')));
  bans.add({ peerId: 'c', reason: '', until: 300 }, at('10.0.0.1'));
  t.true(bans.refusesAddress(at('10.0.0.1')));
  t.false(bans.refusesAddress(at('10.0.0.2')));
  now = 100;
  t.false(bans.refusesAddress(at('10.0.0.1')));
  await bans.close();
});

test('this host itself is never refused as an address', (t) => {
  const bans = new Bans(join(tempDir(t), 'bans.json'), () => 0, fail);
  for (const peerId of ['a', 'b', 'c', 'd']) bans.add({ peerId, reason: '', until: 100 }, at('127.0.0.1'));
  t.false(bans.refusesAddress(at('127.0.0.1')));
  t.true(bans.refusesPeer('d'));
});

test('bans are kept in a file, and a damaged one is as good as none', async (t) => {
  const path = join(tempDir(t), 'bans.json');
  const bans = new Bans(path, () => 0, fail);
  bans.add({ peerId: 'a', reason: 'forged a list', until: 100 }, at('10.0.0.1'));
  bans.add({ peerId: 'b', reason: 'x'.repeat(10_000), until: 50 }, undefined);
  await bans.close();
  const again = new Bans(path, () => 60, fail);
  await again.load();
  t.deepEqual(again.list(), [{ peerId: 'a', reason: 'forged a list', until: 100 }]);
  await writeFile(path, (await readFile(path, 'utf8')).slice(0, 20));
  const damaged = new Bans(path, () => 60, fail);
  await damaged.load();
  t.deepEqual(damaged.list(), []);
});

test('the number of bans is bounded, the oldest goes', async (t) => {
  const bans = new Bans(join(tempDir(t), 'bans.json'), () => 0, fail);
  for (let i = 0; i <= 1000; i++) bans.add({ peerId: `p${i}`, reason: '', until: 100 }, undefined);
  t.is(bans.list().length, 1000);
  t.false(bans.refusesPeer('p0'));
  t.true(bans.refusesPeer('p1000'));
  await bans.close();
});

for (const [address, group] of [
  ['/ip4/10.0.0.1/tcp/4001', '10.0.0.1'],
  ['/ip6/2001:db8:1:2:3:4:5:6/tcp/1', '2001:db8:1:2'],
  ['/ip6/2001:db8::6/tcp/1', '2001:db8:0:0'],
  ['/ip6/::1/tcp/1', '0:0:0:0'],
  ['/ip4/10.0.0.1/udp/1', 'unknown'],
  ['rubbish', 'unknown'],
] as const) {
  test(`${address} counts as ${group}`, (t) => {
    t.is(addressGroup(address), group);
  });
}

test('loopback is known by what it is', (t) => {
  for (const host of ['127.0.0.1', '127.255.0.3', '::1', 'localhost']) t.true(isLoopback(host), host);
  for (const host of ['128.0.0.1', '::2', 'localhost.example', '', '0.0.0.0']) t.false(isLoopback(host), host);
});

test('an address of any other form is no TCP address', (t) => {
  for (const text of [
    '/ip4/1.2.3.4',
    '/ip4/1.2.3.4/tcp/1/p2p/rubbish',
    '/ip4/1.2.3.4/tcp/1/ws',
    '/unix/tmp',
    `/dns4/${'a'.repeat(300)}/tcp/1`,
  ])
    t.is(parseTcpAddress(text), undefined, text);
});

test('bans are counted by reason, of which there are few', async (t) => {
  const bans = new Bans(join(tempDir(t), 'bans.json'), () => 0, fail);
  for (const peerId of ['a', 'b']) bans.add({ peerId, reason: 'forged a list', until: 100 }, undefined);
  for (let i = 0; i < 20; i++) bans.add({ peerId: `c${i}`, reason: `another ${i}`, until: 100 }, undefined);
  t.is(bans.counts.get('forged a list'), 2);
  t.is(bans.counts.get('other'), 5 + Object.values(BAN_REASONS).length);
  for (const reason of Object.values(BAN_REASONS)) t.is(bans.counts.get(reason), 0, 'what it may ban for is there from the start');
  await bans.close();
});
