import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { Digest } from '../../../../src/oci/digest.ts';
import { anonymous } from '../../../../src/origin/credentials.ts';
import { RegistryOrigin } from '../../../../src/origin/registry-origin.ts';
import type { BlobOrigin } from '../../../../src/swarm/swarm.ts';
import { ExchangeSwarm, pull, type ExchangeNode } from '../../../support/exchange-nodes.ts';
import { waitFor } from '../../../support/wait-for.ts';

const blob = randomBytes(24 << 20);
const digest = Digest.of(blob);

interface WholeOnly {
  readonly url: string;
  /** Bytes of bodies that clients took. */
  readonly sent: () => number;
}

/** A registry that gives blobs whole, whatever Range says. */
async function wholeOnly(t: ExecutionContext): Promise<WholeOnly> {
  let sent = 0;
  const server = createServer((request, response) => {
    response.writeHead(200, { 'content-length': blob.length });
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    let at = 0;
    const send = (): void => {
      if (response.destroyed) return;
      if (at === blob.length) {
        response.end();
        return;
      }
      const chunk = blob.subarray(at, at + 65_536);
      at += chunk.length;
      sent += chunk.length;
      response.write(chunk, send);
    };
    send();
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sent: () => sent };
}

/** As a node has it: a client of its own. */
function originOf(t: ExecutionContext, url: string, clients: RegistryOrigin[]): BlobOrigin {
  const origin = new RegistryOrigin({ url, credentials: anonymous });
  clients.push(origin);
  t.teardown(() => origin.close());
  return {
    url,
    get ranges() {
      const { ranges } = origin.health;
      return ranges === undefined ? 'unknown' : ranges ? 'heeded' : 'ignored';
    },
    blobSize: (...args) => origin.blobSize(...args),
    readBlob: (...args) => origin.readBlob(...args),
  };
}

async function nodesOf(
  t: ExecutionContext,
  swarm: ExchangeSwarm,
  url: string,
  count: number,
  clients: RegistryOrigin[] = [],
): Promise<ExchangeNode[]> {
  const nodes: ExchangeNode[] = [];
  for (let i = 0; i < count; i++) {
    const origin = originOf(t, url, clients);
    nodes.push(await swarm.add(undefined, { origin: () => origin }));
  }
  return nodes;
}

test('five nodes read an origin that ignores Range about once', async (t) => {
  const { url, sent } = await wholeOnly(t);
  const swarm = new ExchangeSwarm();
  t.teardown(() => swarm.close());
  const clients: RegistryOrigin[] = [];
  const nodes = await nodesOf(t, swarm, url, 5, clients);
  for (const bytes of await Promise.all(nodes.map((node) => pull(node, digest, blob.length)))) t.true(blob.equals(bytes));
  const taken = clients.reduce((sum, { health }) => sum + health.bytes, 0);
  t.log(`${(taken / blob.length).toFixed(3)} copies taken, ${(sent() / blob.length).toFixed(3)} sent`);
  // What was on its way when a first answer was given up is sent, and not taken: some megabytes, however large the blob is.
  t.true(taken <= 1.05 * blob.length, `${(taken / blob.length).toFixed(2)} copies`);
  t.true(sent() - taken < 8 << 20);
});

test('when the one that reads such an origin dies, another goes on', async (t) => {
  const { url } = await wholeOnly(t);
  const swarm = new ExchangeSwarm();
  t.teardown(() => swarm.close());
  const nodes = await nodesOf(t, swarm, url, 4);
  const pulls = nodes.map((node) => pull(node, digest, blob.length));
  const reader =
    (await waitFor(
      'somebody to read',
      () => nodes.findIndex(({ exchange }) => (exchange.transfers()[0]?.fromOriginBytes ?? 0) > 2 << 20) + 1 || undefined,
      { interval: 1 },
    )) - 1;
  void swarm.stop(nodes[reader]!);
  const got = await Promise.allSettled(pulls);
  for (const [i, result] of got.entries()) if (i !== reader) t.true(result.status === 'fulfilled' && blob.equals(result.value));
});
