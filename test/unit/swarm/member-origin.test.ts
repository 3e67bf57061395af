import { randomBytes } from 'node:crypto';
import test from 'ava';
import { LayerswarmError, type ErrorCode } from '../../../src/errors.ts';
import { Digest } from '../../../src/oci/digest.ts';
import type { RawManifest } from '../../../src/oci/manifest.ts';
import { embeddedOriginPeer, MemberOrigin } from '../../../src/swarm/member-origin.ts';
import type { MemoryNetwork } from '../../support/memory-network.ts';
import { MemorySwarm } from '../../support/memory-network.ts';
import { MemoryOrigin } from '../../support/memory-origin.ts';
import { readFromMember } from '../../../src/swarm/exchange/member-read.ts';
import { serveOrigin } from '../../../src/swarm/origin-service.ts';

const manifest: RawManifest = {
  bytes: Buffer.from('{"schemaVersion":2}'),
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  digest: Digest.of(Buffer.from('{"schemaVersion":2}')),
};
const absent = Digest.of(Buffer.from('absent'));

class TaggedOrigin extends MemoryOrigin {
  override resolveTag = async (repository = '', tag = ''): Promise<Digest> => {
    await Promise.resolve();
    if (repository === 'broken') throw new LayerswarmError('disk-full', 'no space on its disk');
    if (tag !== 'latest') throw new LayerswarmError('not-found', 'no such tag');
    return manifest.digest;
  };

  override manifest = async (_repository = '', digest?: Digest): Promise<RawManifest> => {
    await Promise.resolve();
    if (digest?.equals(manifest.digest) === true) return manifest;
    return { ...manifest, digest: digest ?? absent };
  };

  override tags = async (): Promise<string[]> => await Promise.resolve(['1', 'latest']);

  override referrers = async (_repository = '', subject?: Digest, artifactType?: string): Promise<Buffer | undefined> => {
    await Promise.resolve();
    return subject?.equals(absent) === true ? undefined : Buffer.from(`{"type":"${artifactType ?? 'any'}"}`);
  };
}

async function swarmWithOrigin(): Promise<{ swarm: MemorySwarm; origin: TaggedOrigin; holder: MemoryNetwork; user: MemberOrigin }> {
  const swarm = new MemorySwarm();
  const [holder, asker] = [await swarm.join(), await swarm.join()];
  const origin = new TaggedOrigin();
  serveOrigin(holder, origin);
  holder.setLaneSource({
    read: async (_peerId, blob, range) => {
      await Promise.resolve();
      const bytes = origin.blobs.get(blob.toString());
      if (bytes === undefined || range.end > bytes.length) return undefined;
      return { note: Buffer.alloc(0), bytes: bytes.subarray(range.start, range.end) };
    },
  });
  return { swarm, origin, holder, user: new MemberOrigin(asker, holder.self, (...args) => readFromMember(asker, ...args)) };
}

test('tags, manifests, sizes and referrers come from the member', async (t) => {
  const { origin, holder, user } = await swarmWithOrigin();
  const blob = origin.add(randomBytes(1000));
  t.is(embeddedOriginPeer(user.url), holder.self);
  t.is(user.health.state, 'unknown');
  t.true((await user.resolveTag('library/app', 'latest')).equals(manifest.digest));
  t.deepEqual(await user.manifest('library/app', manifest.digest), manifest);
  t.is(await user.blobSize('library/app', blob), 1000);
  t.deepEqual(await user.tags('library/app'), ['1', 'latest']);
  t.is((await user.referrers('library/app', manifest.digest, 'sbom'))?.toString(), '{"type":"sbom"}');
  t.is(await user.referrers('library/app', absent), undefined);
  t.is(user.health.state, 'ok');
});

const failures: [title: string, call: (user: MemberOrigin) => Promise<unknown>, code: ErrorCode, state: string, answer: string][] = [
  ['a tag that it has not', async (user) => await user.resolveTag('library/app', 'gone'), 'not-found', 'ok', '404'],
  ['a blob that it has not', async (user) => await user.blobSize('library/app', absent), 'not-found', 'ok', '404'],
  ['other bytes than the manifest', async (user) => await user.manifest('library/app', absent), 'digest-mismatch', 'ok', '200'],
  ['a failure of its own', async (user) => await user.resolveTag('broken', 'latest'), 'origin-unreachable', 'unreachable', 'unreachable'],
  ['a name that is none', async (user) => await user.resolveTag('../../etc', 'latest'), 'name-invalid', 'ok', '400'],
];
for (const [title, call, code, state, answer] of failures) {
  test(`the member answers with ${title}`, async (t) => {
    const { user } = await swarmWithOrigin();
    await t.throwsAsync(call(user), { code });
    t.is(user.health.state, state as typeof user.health.state);
    t.deepEqual([...user.health.answers!], [[answer, 1]]);
  });
}

test('a blob is read over the lane, exactly the range, and counted', async (t) => {
  const { origin, user } = await swarmWithOrigin();
  const bytes = randomBytes(1_000_000);
  const blob = origin.add(bytes);
  const chunks = await Array.fromAsync(user.readBlob('library/app', blob, { start: 100, end: 900_001 }));
  t.is(Buffer.compare(Buffer.concat(chunks), bytes.subarray(100, 900_001)), 0);
  t.is(user.health.bytes, 899_901);
  await t.throwsAsync(Array.fromAsync(user.readBlob('library/app', absent, { start: 0, end: 1 })), { code: 'not-found' });
  user.readElsewhere(50, { 200: 2 });
  t.is(user.health.bytes, 899_951);
  t.deepEqual(Object.fromEntries(user.health.answers!), { 200: 3, 404: 1 });
});

test('who stops reading lets the lane go', async (t) => {
  const { origin, user } = await swarmWithOrigin();
  const blob = origin.add(randomBytes(1_000_000));
  for await (const chunk of user.readBlob('library/app', blob, { start: 0, end: 1_000_000 })) {
    t.true(chunk.length > 0);
    break;
  }
  t.true(user.health.bytes < 200_000);
});

test('a member that is away is an origin that cannot be reached, at once', async (t) => {
  const { swarm, holder, origin, user } = await swarmWithOrigin();
  const blob = origin.add(randomBytes(1000));
  swarm.isolate(holder);
  await t.throwsAsync(user.resolveTag('library/app', 'latest'), { code: 'origin-unreachable' });
  await t.throwsAsync(Array.fromAsync(user.readBlob('library/app', blob, { start: 0, end: 1000 })), { code: 'origin-unreachable' });
  t.is((await user.probe()).state, 'unreachable');
  swarm.connect(holder, swarm.nodes[1]!);
  t.is((await user.probe()).state, 'ok');
});

test('a reader that gives up gets aborted', async (t) => {
  const { user } = await swarmWithOrigin();
  await t.throwsAsync(user.resolveTag('library/app', 'latest', AbortSignal.abort()), { code: 'aborted' });
});
