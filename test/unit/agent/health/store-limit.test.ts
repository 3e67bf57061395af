import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { storeLimitBytes } from '../../../../src/agent/health/store-limit.ts';
import { tempDir } from '../../../support/temp-dir.ts';

test('bytes are taken as they are', async (t) => {
  t.is(await storeLimitBytes('/nowhere', { bytes: 5 }), 5);
});

test('a share is of the file system, also for a folder that is not there yet', async (t) => {
  const folder = tempDir(t);
  const { blocks, bsize } = await statfs(folder);
  t.is(await storeLimitBytes(join(folder, 'a', 'b'), { percent: 50 }), Math.floor((blocks * bsize) / 2));
});
