import test from 'ava';
import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LayerswarmError } from '../../../../src/errors.ts';
import type { ReaderGuard } from '../../../../src/store/blobs/blob-check.ts';
import { FileBlobReader } from '../../../../src/store/blobs/blob-reader.ts';
import { flipBit } from '../../../support/flip-bit.ts';
import { tempDir } from '../../../support/temp-dir.ts';

test('bytes of a file that changes between the comparing and the reading are not given', async (t) => {
  const path = join(tempDir(t), 'blob');
  writeFileSync(path, Buffer.alloc(237, 1));
  utimesSync(path, 1000, 1000);
  const compared: string[] = [];
  const guard: ReaderGuard = {
    begin: async (file) => {
      compared.push(file);
      if (compared.length > 1) throw new LayerswarmError('digest-mismatch', 'it is another');
      flipBit(path, 100);
      return await Promise.resolve(undefined);
    },
    lost: () => Promise.resolve(),
  };
  const reader = await FileBlobReader.open(path, 237, () => undefined, guard);
  await t.throwsAsync(reader.read(0, 237), { code: 'digest-mismatch' });
  t.is(compared.length, 2);
  await reader.close();
});
