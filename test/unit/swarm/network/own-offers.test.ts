import test from 'ava';
import { LayerswarmError } from '../../../../src/errors.ts';
import { Bans } from '../../../../src/swarm/network/bans.ts';
import { Gater } from '../../../../src/swarm/network/gater.ts';
import { ownAddresses, ownOffersOnly } from '../../../../src/swarm/network/own-offers.ts';
import { multiaddr } from '@multiformats/multiaddr';
import { MemorySwarm } from '../../../support/memory-network.ts';

const CONNECTION = '/ip4/192.0.2.7/tcp/33000';

test("an offer leads to the peer's own hosts, whatever it names", (t) => {
  const elsewhere = ['127.0.0.1:22', '169.254.169.254:80', '10.0.0.5:443', 'metadata.internal:80', 'nonsense'];
  t.deepEqual(ownAddresses(elsewhere, CONNECTION, []), ['192.0.2.7:22', '192.0.2.7:80', '192.0.2.7:443']);
  t.deepEqual(ownAddresses(['10.1.0.7:4002', '10.1.0.8:4002'], CONNECTION, ['10.1.0.7', '127.0.0.1', 'name.example']), [
    '10.1.0.7:4002',
    '192.0.2.7:4002',
  ]);
  t.deepEqual(ownAddresses(['127.0.0.1:4002'], '/ip4/127.0.0.1/tcp/9', []), ['127.0.0.1:4002']);
  t.deepEqual(ownAddresses(['[2001:db8::2]:4002'], '/ip6/2001:db8::1/tcp/9', []), ['[2001:db8::1]:4002']);
});

test('a peer that asks to be dialled hears of a failure nothing but that there was one', async (t) => {
  const swarm = new MemorySwarm();
  const [asked, asking] = [await swarm.join(), await swarm.join()];
  const seen: string[][] = [];
  ownOffersOnly(asked, () => Promise.resolve(['10.1.0.7'])).handle('bulk-dial', ({ offer }) => {
    seen.push(offer.addresses);
    throw new LayerswarmError('peer-gone', 'the bulk port 10.1.0.7:4002 cannot be reached: ECONNREFUSED');
  });
  const offer = {
    addresses: ['127.0.0.1:22', '10.1.0.7:4002'],
    fingerprint: new Uint8Array(32),
    ticket: new Uint8Array(32),
    expiresInMs: 1000,
  };
  const error = await t.throwsAsync(asking.request(asked.self, { type: 'bulk-dial', offer, from: 0, to: 0 }, 'ok'));
  t.deepEqual(seen, [['10.1.0.7:4002']]);
  t.regex(error?.message ?? '', /could not$/);
  t.notRegex(error?.message ?? '', /REFUSED|10\.1/);
});

test('what is told of addresses leads neither to this host nor to its own wire, unless that is all it listens on or it is configured', (t) => {
  const bans = new Bans('/nonexistent/bans.json', Date.now, () => undefined);
  const denies = (gater: Gater, address: string): boolean => gater.denyDialMultiaddr(multiaddr(address)) as boolean;
  const wide = new Gater(bans, { loopbackOnly: false, listen: ['/ip4/0.0.0.0/tcp/4001'] });
  for (const address of [
    '/ip4/127.0.0.1/tcp/22',
    '/ip6/::1/tcp/22',
    '/ip4/0.0.0.0/tcp/22',
    '/ip4/169.254.169.254/tcp/80',
    '/ip6/fe80::1/tcp/4001',
    '/dns4/localhost/tcp/22',
  ])
    t.true(denies(wide, address), address);
  t.false(denies(wide, '/ip4/10.0.0.5/tcp/4001'));
  wide.allow('/ip4/127.0.0.1/tcp/22');
  t.false(denies(wide, '/ip4/127.0.0.1/tcp/22'));
  const local = new Gater(bans, { loopbackOnly: false, listen: ['/ip4/127.0.0.1/tcp/4001'] });
  t.false(denies(local, '/ip4/127.0.0.1/tcp/22'));
  t.true(denies(local, '/ip4/169.254.169.254/tcp/80'));
});
