import { createHash } from 'node:crypto';
import { openSync, readSync } from 'node:fs';
import { startCounting } from './measure.ts';

// Reads a file through one buffer and hashes it: what every receiver has to do once at least. Arguments: path.
const [path] = process.argv.slice(2) as [string];
const spent = startCounting();
const fd = openSync(path, 'r');
const buffer = Buffer.allocUnsafeSlow(256 * 1024);
const hash = createHash('sha256');
for (;;) {
  const length = readSync(fd, buffer);
  if (length === 0) break;
  hash.update(buffer.subarray(0, length));
}
process.send!({ digest: hash.digest('hex'), receiver: spent() });
process.disconnect();
