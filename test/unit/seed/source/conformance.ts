import test, { type ExecutionContext } from 'ava';
import { collectImage } from '../../../../src/copy/collect-image.ts';
import type { ImageSource } from '../../../../src/copy/image-source.ts';
import { errorCode } from '../../../../src/errors.ts';
import { Digest } from '../../../../src/oci/digest.ts';

const UNKNOWN = Digest.of(Buffer.from('in no image'));

/** Every image source keeps these. `open` makes a new source of an image with at least one layer; the same one each time. */
export function imageSourceConformance(what: string, open: (t: ExecutionContext) => Promise<() => Promise<ImageSource>>): void {
  const image = async (t: ExecutionContext): Promise<ImageSource> => {
    const source = await (await open(t))();
    t.teardown(() => source.close());
    return source;
  };

  test(`${what}: every manifest and blob has the digest and size that it is listed with`, async (t) => {
    const source = await image(t);
    const { manifests, blobs } = await collectImage(source, await source.root());
    t.true(manifests.length > 0);
    t.true(blobs.length > 1, 'a config and a layer');
    for (const { raw } of manifests) t.true(Digest.of(raw.bytes).equals(raw.digest));
    for (const blob of blobs) {
      const bytes = await read(source.blob(blob));
      t.is(bytes.length, blob.size);
      t.is(Digest.of(bytes, blob.digest.algorithm).toString(), blob.digest.toString());
    }
  });

  test(`${what}: a blob can be read again from its beginning, and by several at once`, async (t) => {
    const source = await image(t);
    const { blobs } = await collectImage(source, await source.root());
    const [first, second, third] = await Promise.all([
      read(source.blob(blobs.at(-1)!)),
      read(source.blob(blobs.at(-1)!)),
      read(source.blob(blobs[0]!)),
    ]);
    t.deepEqual(first, second);
    t.is(third.length, blobs[0]!.size);
    t.deepEqual(await read(source.blob(blobs.at(-1)!)), first);
  });

  test(`${what}: opened twice, it is the same image`, async (t) => {
    const again = await open(t);
    const digests: string[] = [];
    for (let time = 0; time < 2; time++) {
      const source = await again();
      digests.push((await source.root()).digest.toString());
      await source.close();
    }
    t.is(digests[0], digests[1]);
  });

  test(`${what}: what is not in the image is not found`, async (t) => {
    const source = await image(t);
    t.is(errorCode(await t.throwsAsync(async () => source.manifest(UNKNOWN))), 'not-found');
    t.is(
      errorCode(await t.throwsAsync(async () => read(source.blob({ mediaType: 'application/octet-stream', digest: UNKNOWN, size: 1 })))),
      'not-found',
    );
  });

  test(`${what}: a reader that stops early leaves nothing behind`, async (t) => {
    const source = await image(t);
    const { blobs } = await collectImage(source, await source.root());
    for await (const chunk of source.blob(blobs.at(-1)!)) {
      t.true(chunk.length > 0);
      break;
    }
    t.is((await read(source.blob(blobs.at(-1)!))).length, blobs.at(-1)!.size);
  });
}

async function read(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}
