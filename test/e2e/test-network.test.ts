import test from 'ava';
import { TestNetwork } from '../support/netns.ts';
import { requireTool } from '../support/require-tool.ts';
import { run } from '../support/process.ts';

// The other tests stand on these machines: what they measure is only worth as much.
test('hosts of a test network reach each other, nothing reaches them from outside, and their bytes are counted', async (t) => {
  if (!requireTool(t, 'root', 'ip', 'nsenter', 'tc')) return;
  const network = await TestNetwork.create(t);
  const server = await network.addHost('server', { uplink: 100_000_000, downlink: 100_000_000 });
  const client = await network.addHost('client');
  const size = 1_000_000;
  const program = server.start(t, process.execPath, [
    '-e',
    `require('http').createServer((q, r) => r.end(Buffer.alloc(${size}))).listen(8080, '0.0.0.0', () => console.log('listening'))`,
  ]);
  await program.waitForOutput(/listening/);
  const get = [
    '-e',
    `fetch('http://${server.address}:8080/', { signal: AbortSignal.timeout(5000) }).then((r) => r.arrayBuffer()).then((b) => console.log(b.byteLength))`,
  ];

  const { stdout } = await client.runOk(process.execPath, get);
  t.is(stdout.trim(), String(size));
  const sent = (await server.bytes()).sent;
  t.true(sent > size && sent < 1.2 * size, `${sent} bytes sent`);
  t.true((await client.bytes()).received > size);

  // Whatever else may answer at that address out there, it is not this server.
  t.not((await run(process.execPath, get)).stdout.trim(), String(size), 'from outside');
  await server.setLink('down');
  t.not((await client.run(process.execPath, get)).code, 0, 'with the cable pulled');
  await server.setLink('up');
  t.is((await client.runOk(process.execPath, get)).stdout.trim(), String(size));
});
