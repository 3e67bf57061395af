import test, { type ExecutionContext } from 'ava';
import { randomBytes } from 'node:crypto';
import { type DockerRegistry, startDockerRegistry } from '../support/docker-registry.ts';
import { flipBit } from '../support/flip-bit.ts';
import { type Agent, bootstrapOf, startAgent } from '../support/layerswarm.ts';
import { pushImage } from '../support/registry-content.ts';
import { requireTool } from '../support/require-tool.ts';

const SIZE = 12_000_000;
const FLIPPED_AT = 7_000_001;

interface Scene {
  readonly registry: DockerRegistry;
  readonly bytes: Buffer;
  readonly layer: string;
  /** Its disk has one wrong bit in the layer. */
  readonly corrupt: Agent;
  readonly taker: Agent;
}

async function scene(t: ExecutionContext): Promise<Scene> {
  const registry = await startDockerRegistry(t);
  const bytes = randomBytes(SIZE);
  const image = await pushImage(registry, 'team/app', 'v1', [bytes]);
  const layer = image.layers[0]!.digest.toString();
  const corrupt = await startAgent(t, { origin: registry.url });
  await corrupt.cliOk(['pull', 'team/app:v1']);
  flipBit(corrupt.blobPath(layer), FLIPPED_AT);
  const taker = await startAgent(t, { origin: registry.url, bootstrap: bootstrapOf(corrupt) });
  await taker.waitForPeers(1);
  return { registry, bytes, layer, corrupt, taker };
}

/** Everything that a client got before the answer ended, in order or not. */
async function readBlob({ taker, layer }: Scene): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  try {
    const response = await fetch(`${taker.registry}/v2/team/app/blobs/${layer}`, { signal: AbortSignal.timeout(60_000) });
    if (response.status !== 200) return Buffer.alloc(0);
    for await (const chunk of response.body!) chunks.push(chunk);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // fetch's word for an answer that was broken off
  }
  return Buffer.concat(chunks);
}

test("a bit that flipped on a member's disk never reaches a client, and the origin fills in", async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const { bytes, ...rest } = await scene(t);
  t.true((await readBlob({ bytes, ...rest })).equals(bytes));
  await rest.taker.cliOk(['pull', 'team/app:v1']);
  await rest.taker.cliOk(['verify']);
  // A disk that was at fault is no lie: its node found out before the bytes left, puts the copy aside, and has the blob anew when it is wanted.
  t.deepEqual((await rest.taker.status()).bans, []);
  await rest.corrupt.cliOk(['pull', 'team/app:v1']);
  await rest.corrupt.cliOk(['verify', '--no-repair']);
});

test('with the origin away a client gets a proven beginning or nothing of it, never the wrong bit', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const all = await scene(t);
  await all.registry.stop();
  const got = await readBlob(all);
  t.true(got.length <= FLIPPED_AT);
  t.true(got.equals(all.bytes.subarray(0, got.length)));
});

test('verify finds the flipped bit, says so with exit code 5, and the node gets the blob anew', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const { corrupt, layer } = await scene(t);
  const found = await corrupt.cli(['verify', '--no-repair']);
  t.is(found.code, 5, found.stderr);
  t.true(`${found.stdout}${found.stderr}`.includes(layer));
  await corrupt.cliOk(['pull', 'team/app:v1']);
  await corrupt.cliOk(['verify']);
});
