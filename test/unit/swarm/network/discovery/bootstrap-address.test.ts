import test from 'ava';
import { parseBootstrapAddress, type BootstrapAddress } from '../../../../../src/swarm/network/discovery/bootstrap-address.ts';
import { resolveName, type NameResolver } from '../../../../../src/swarm/network/discovery/dns-names.ts';

const ID = '12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8';
const address = (transport: string, host: string, port: number, peerId?: string): BootstrapAddress => ({
  kind: 'address',
  address: { transport, host, port, peerId },
});
const name = (host: string, port?: number): BootstrapAddress => ({ kind: 'name', host, port });

const good: [text: string, parsed: BootstrapAddress][] = [
  [`/ip4/10.0.0.1/tcp/4001/p2p/${ID}`, address('/ip4/10.0.0.1/tcp/4001', '10.0.0.1', 4001, ID)],
  ['/ip4/10.0.0.1/tcp/4001', address('/ip4/10.0.0.1/tcp/4001', '10.0.0.1', 4001)],
  ['/ip6/fd00::1/tcp/4001', address('/ip6/fd00::1/tcp/4001', 'fd00::1', 4001)],
  ['/dns4/seed.example/tcp/4001', address('/dns4/seed.example/tcp/4001', 'seed.example', 4001)],
  ['10.0.0.1:5000', address('/ip4/10.0.0.1/tcp/5000', '10.0.0.1', 5000)],
  ['10.0.0.1', address('/ip4/10.0.0.1/tcp/4001', '10.0.0.1', 4001)],
  ['[fd00::1]:5000', address('/ip6/fd00::1/tcp/5000', 'fd00::1', 5000)],
  ['seed.example:4001', name('seed.example', 4001)],
  ['layerswarm-headless.kube-system.svc:4001', name('layerswarm-headless.kube-system.svc', 4001)],
  ['dns:seed.example', name('seed.example')],
  ['dns:seed.example:5000', name('seed.example', 5000)],
];
for (const [text, parsed] of good) {
  test(`reads ${text}`, (t) => {
    t.deepEqual(parseBootstrapAddress(text), parsed);
  });
}

for (const text of [
  '',
  'seed.example',
  'dns:',
  'dns:10.0.0.1',
  'seed.example:0',
  'seed.example:70000',
  'a b:1',
  '/ip4/10.0.0.1/udp/4001',
  '/ip4/10.0.0.1/tcp/4001/ws',
  '/ip4/300.0.0.1/tcp/1',
  'https://seed.example:443',
  '[seed.example]:1',
  `${'a'.repeat(300)}:1`,
]) {
  test(`refuses "${text.slice(0, 40)}" as a bootstrap address`, (t) => {
    t.throws(() => parseBootstrapAddress(text), { code: 'config-invalid', message: /^bootstrap: expected .* received "/ });
  });
}

function resolver(hosts: Record<string, string[]>, records: Record<string, { name: string; port: number }[]> = {}): NameResolver {
  return {
    addresses: async (host) => await (host in hosts ? Promise.resolve(hosts[host]!) : Promise.reject(new Error('ENOTFOUND'))),
    services: async (service) => await (service in records ? Promise.resolve(records[service]!) : Promise.reject(new Error('ENOTFOUND'))),
  };
}

test('a name with a port stands for its addresses, v4 and v6', async (t) => {
  t.deepEqual(await resolveName(resolver({ 'seed.example': ['10.0.0.1', 'fd00::1', '10.0.0.1', 'rubbish'] }), 'seed.example', 5000), [
    '/ip4/10.0.0.1/tcp/5000',
    '/ip6/fd00::1/tcp/5000',
  ]);
});

test('a name without a port is asked for its service, and failing that takes the usual one', async (t) => {
  const hosts = { 'a.example': ['10.0.0.1'], 'b.example': ['10.0.0.2'], 'seed.example': ['10.0.0.9'] };
  const service = {
    '_layerswarm._tcp.seed.example': [
      { name: 'a.example', port: 1 },
      { name: 'b.example', port: 2 },
      { name: 'gone.example', port: 3 },
    ],
  };
  t.deepEqual(await resolveName(resolver(hosts, service), 'seed.example', undefined), ['/ip4/10.0.0.1/tcp/1', '/ip4/10.0.0.2/tcp/2']);
  t.deepEqual(await resolveName(resolver(hosts), 'seed.example', undefined), ['/ip4/10.0.0.9/tcp/4001']);
});

test('a name that does not resolve stands for nobody', async (t) => {
  t.deepEqual(await resolveName(resolver({}), 'seed.example', undefined), []);
});
