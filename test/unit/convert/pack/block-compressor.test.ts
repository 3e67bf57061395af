import test from 'ava';
import { randomBytes } from 'node:crypto';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { BlockCompressor, gzipFormat, zstdFormat, type BlockFormat } from '../../../../src/convert/pack/block-compressor.ts';

async function compress(format: BlockFormat, input: Buffer, step: number, threads: number): Promise<Buffer> {
  const output: Buffer[] = [];
  const compressor = new BlockCompressor(format, (bytes) => output.push(Buffer.from(bytes)), threads);
  for (let at = 0; at < input.length; at += step) {
    compressor.push(input.subarray(at, at + step));
    await compressor.drain();
  }
  await compressor.end();
  return Buffer.concat(output);
}

const MIB = 1024 * 1024;
const text = Buffer.from(Array.from({ length: 400_000 }, (_, i) => `line ${i % 977}\n`).join(''));
for (const [name, format, decompress] of [
  ['gzip', gzipFormat, gunzipSync],
  ['zstd', zstdFormat, zstdDecompressSync],
] as const) {
  for (const [what, input] of [
    ['nothing', Buffer.alloc(0)],
    ['one byte', Buffer.from('x')],
    ['exactly a block', randomBytes(MIB)],
    ['several blocks', Buffer.concat([text, randomBytes(5 * MIB + 7)])],
  ] as const) {
    test(`${name} of ${what} unpacks to it, with the same bytes in whatever pieces it comes`, async (t) => {
      const once = await compress(format(), input, MIB, 1);
      t.true(input.equals(once.length === 0 ? Buffer.alloc(0) : decompress(once)));
      t.true(once.equals(await compress(format(), input, 100_003, 4)));
    });
  }
}

test('gzip records no time, name or system', async (t) => {
  t.deepEqual([...(await compress(gzipFormat(), Buffer.from('x'), 1, 1)).subarray(0, 10)], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
});
