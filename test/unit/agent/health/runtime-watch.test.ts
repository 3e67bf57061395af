import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { RuntimeWatch } from '../../../../src/agent/health/runtime-watch.ts';
import { BackupFileStore, sha256 } from '../../../../src/setup/backup.ts';
import { ABSENT } from '../../../../src/setup/file-state.ts';
import { tempDir } from '../../../support/temp-dir.ts';

test('a runtime is wired while its files are as setup wrote them', async (t) => {
  const folder = tempDir(t);
  const watch = new RuntimeWatch(join(folder, 'setup'));
  t.is(watch.find().level, 'unknown');
  await watch.look();
  t.regex(watch.find().sentence, /no runtime pulls through this node yet/);
  watch.asked('podman');
  t.deepEqual(watch.find(), { level: 'ok', sentence: 'podman has pulled' });

  const path = join(folder, 'hosts.toml');
  writeFileSync(path, 'ours');
  const backups = new BackupFileStore(join(folder, 'setup'), 'containerd', '/');
  await backups.write({ folders: [], files: [{ path, before: ABSENT, written: [sha256(Buffer.from('ours'))] }] });
  await watch.look();
  t.deepEqual(watch.find(), { level: 'ok', sentence: 'containerd is set up, and has not pulled yet; podman has pulled' });
  watch.asked('containerd');
  t.regex(watch.find().sentence, /^containerd is set up and has pulled/);
  writeFileSync(path, 'theirs');
  await watch.look();
  t.is(watch.find().level, 'degraded');
  t.regex(watch.find().sentence, /hosts\.toml is not as setup wrote it/);
  await backups.remove();
  await watch.look();
  t.is(watch.find().level, 'ok', 'it was undone');
});
