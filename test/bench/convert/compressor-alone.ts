import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { BlockCompressor, gzipFormat, zstdFormat } from '../../../src/convert/pack/block-compressor.ts';

// The floor of a compressed conversion: node compressor-alone.ts gzip|zstd INPUT OUTPUT
const [kind, input, output] = process.argv.slice(2) as [string, string, string];
const [from, to] = [openSync(input, 'r'), openSync(output, 'w')];
const compressor = new BlockCompressor(
  kind === 'zstd' ? zstdFormat() : gzipFormat(),
  (bytes) => {
    writeSync(to, bytes);
  },
  availableParallelism(),
);
const chunk = Buffer.allocUnsafe(2 ** 20);
for (let count = readSync(from, chunk); count > 0; count = readSync(from, chunk)) {
  compressor.push(chunk.subarray(0, count));
  await compressor.drain();
}
await compressor.end();
closeSync(to);
closeSync(from);
