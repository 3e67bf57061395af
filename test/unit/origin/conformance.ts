import { randomBytes } from 'node:crypto';
import type { ExecutionContext, TestFn } from 'ava';
import { Digest } from '../../../src/oci/digest.ts';
import { parseManifest } from '../../../src/oci/manifest.ts';
import { MediaType } from '../../../src/oci/media-type.ts';
import type { Origin } from '../../../src/origin/origin.ts';
import { pushBlob, pushImage, pushIndex, type PushTarget } from '../../support/registry-content.ts';

/** An origin, and the registry endpoint through which a test puts something into it. */
export interface OriginUnderTest {
  readonly origin: Origin;
  readonly target: PushTarget;
}

/** What every `Origin` does. `make` returns undefined where a tool is missing (see `requireTool`), and is called for each test. */
export function originConformance(test: TestFn, name: string, make: (t: ExecutionContext) => Promise<OriginUnderTest | undefined>): void {
  const unknown = Digest.of(Buffer.from('nobody has this'));
  const check = (title: string, run: (t: ExecutionContext, subject: OriginUnderTest) => Promise<void>): void => {
    test(`${name}: ${title}`, async (t) => {
      const subject = await make(t);
      if (subject === undefined) return;
      await run(t, subject);
    });
  };

  check('a tag resolves to the digest that was pushed last', async (t, { origin, target }) => {
    const first = await pushImage(target, 'team/app', 'v1');
    t.is((await origin.resolveTag('team/app', 'v1')).toString(), first.digest.toString());
    const second = await pushImage(target, 'team/app', 'v1');
    t.is((await origin.resolveTag('team/app', 'v1')).toString(), second.digest.toString());
    await t.throwsAsync(origin.resolveTag('team/app', 'v2'), { code: 'not-found' });
    await t.throwsAsync(origin.resolveTag('team/none', 'v1'), { code: 'not-found' });
  });

  check('a manifest has the bytes, type and digest that were pushed', async (t, { origin, target }) => {
    const image = await pushImage(target, 'app', 'v1');
    const raw = await origin.manifest('app', image.digest);
    t.deepEqual(raw.bytes, image.manifest);
    t.is(raw.mediaType, MediaType.ociManifest);
    t.true(raw.digest.equals(image.digest));
    await t.throwsAsync(origin.manifest('app', unknown), { code: 'not-found' });
  });

  check('an index is answered as it is, not as one of its children', async (t, { origin, target }) => {
    const image = await pushImage(target, 'app', 'v1');
    const pushed = await pushIndex(target, 'app', 'multi', image);
    const digest = await origin.resolveTag('app', 'multi');
    t.true(digest.equals(pushed.digest));
    const raw = await origin.manifest('app', digest);
    t.is(raw.mediaType, MediaType.ociIndex);
    t.deepEqual(raw.bytes, pushed.bytes);
  });

  check('names are checked before anything is asked', async (t, { origin }) => {
    await t.throwsAsync(origin.resolveTag('Team/App', 'v1'), { code: 'name-invalid' });
    await t.throwsAsync(origin.resolveTag('team/app', '../v1'), { code: 'reference-invalid' });
    await t.throwsAsync(origin.blobSize('../etc', unknown), { code: 'name-invalid' });
    await t.throwsAsync(origin.tags('a//b'), { code: 'name-invalid' });
    await t.throwsAsync(collect(origin.readBlob('A', unknown, { start: 0, end: 1 })), { code: 'name-invalid' });
  });

  check('the size of a blob is its bytes, also when there are none', async (t, { origin, target }) => {
    const image = await pushImage(target, 'app', 'v1', [randomBytes(12_345)]);
    t.is(await origin.blobSize('app', image.layers[0]!.digest), 12_345);
    t.is(await origin.blobSize('app', await pushBlob(target, 'app', Buffer.alloc(0))), 0);
    await t.throwsAsync(origin.blobSize('app', unknown), { code: 'not-found' });
  });

  check('every range of a blob is its bytes, and they are counted', async (t, { origin, target }) => {
    const layer = randomBytes(300_000);
    const image = await pushImage(target, 'app', 'v1', [layer]);
    const { digest } = image.layers[0]!;
    let counted = 0;
    for (const [start, end] of [
      [0, layer.length],
      [0, 1],
      [1, 2],
      [100_000, 250_000],
      [layer.length - 1, layer.length],
      [7, 7],
    ] as const) {
      t.deepEqual(await collect(origin.readBlob('app', digest, { start, end })), layer.subarray(start, end), `[${start}, ${end})`);
      counted += end - start;
    }
    t.is(origin.health.bytes, counted);
    await t.throwsAsync(collect(origin.readBlob('app', unknown, { start: 0, end: 1 })), { code: 'not-found' });
  });

  check('a range beyond the end, or none at all, throws instead of being short', async (t, { origin, target }) => {
    const image = await pushImage(target, 'app', 'v1', [randomBytes(1_000)]);
    const { digest } = image.layers[0]!;
    for (const [start, end] of [
      [0, 1_001],
      [1_000, 1_001],
      [5_000, 6_000],
      [5, 4],
      [-1, 1],
      [0.5, 1],
    ] as const) {
      const error = await t.throwsAsync<Error & { code?: string }>(collect(origin.readBlob('app', digest, { start, end })));
      t.true(error?.code === 'range-invalid' || error?.code === 'size-mismatch', `[${start}, ${end}): ${String(error?.code)}`);
    }
  });

  check('a reader may stop in the middle, and the next one gets everything', async (t, { origin, target }) => {
    const layer = randomBytes(2_000_000);
    const image = await pushImage(target, 'app', 'v1', [layer]);
    const { digest } = image.layers[0]!;
    for (let round = 0; round < 20; round++) {
      for await (const chunk of origin.readBlob('app', digest, { start: 0, end: layer.length })) {
        t.true(chunk.length > 0);
        break;
      }
    }
    t.true((await collect(origin.readBlob('app', digest, { start: 0, end: layer.length }))).equals(layer));
  });

  check('an aborted signal ends each call with aborted', async (t, { origin, target }) => {
    const image = await pushImage(target, 'app', 'v1', [randomBytes(2_000_000)]);
    const aborted = AbortSignal.abort();
    const { digest } = image.layers[0]!;
    await t.throwsAsync(origin.resolveTag('app', 'v1', aborted), { code: 'aborted' });
    await t.throwsAsync(origin.manifest('app', image.digest, aborted), { code: 'aborted' });
    await t.throwsAsync(origin.blobSize('app', digest, aborted), { code: 'aborted' });
    await t.throwsAsync(origin.tags('app', aborted), { code: 'aborted' });
    await t.throwsAsync(collect(origin.readBlob('app', digest, { start: 0, end: 10 }, aborted)), { code: 'aborted' });
    const controller = new AbortController();
    await t.throwsAsync(
      async () => {
        for await (const chunk of origin.readBlob('app', digest, { start: 0, end: 2_000_000 }, controller.signal)) controller.abort(chunk);
      },
      { code: 'aborted' },
    );
  });

  check('tags come sorted', async (t, { origin, target }) => {
    for (const tag of ['v2', 'v10', 'Z', 'a', '_x']) await pushImage(target, 'app', tag, []);
    t.deepEqual(await origin.tags('app'), ['Z', '_x', 'a', 'v10', 'v2']);
    await t.throwsAsync(origin.tags('none'), { code: 'not-found' });
  });

  check('referrers are an index of those that name the subject, or undefined where the API is missing', async (t, { origin, target }) => {
    const image = await pushImage(target, 'app', 'v1');
    const subject = { mediaType: MediaType.ociManifest, digest: image.digest, size: image.manifest.length };
    const signature = await pushImage(target, 'app', 'signature', [], { artifactType: 'application/vnd.example.signature', subject });
    const index = await origin.referrers('app', image.digest);
    if (index === undefined) {
      t.pass('no referrers API');
      return;
    }
    const parsed = parseManifest(index, MediaType.ociIndex);
    t.deepEqual(parsed.kind === 'index' && parsed.manifests.map(({ digest }) => digest.toString()), [signature.digest.toString()]);
    const filtered = parseManifest((await origin.referrers('app', image.digest, 'application/vnd.example.other'))!, MediaType.ociIndex);
    t.deepEqual(filtered.kind === 'index' && filtered.manifests, []);
  });

  check('a probe finds it in health', async (t, { origin }) => {
    t.like(await origin.probe(), { state: 'ok' });
    t.is(origin.health.state, 'ok');
    t.is(typeof origin.url, 'string');
  });
}

export async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(Uint8Array.from(chunk));
  return Buffer.concat(chunks);
}
