import test from 'ava';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { extract } from 'tar-stream';
import { adaptationEntries } from '../../../../src/convert/adapt/adaptation.ts';
import { writeLayerTar } from '../../../../src/convert/adapt/write-layer.ts';
import { GuestTree } from '../../../../src/convert/root/guest-tree.ts';
import { tempDir } from '../../../support/temp-dir.ts';

function systemd(root: string): void {
  mkdirSync(join(root, 'usr/lib/systemd'), { recursive: true });
  writeFileSync(join(root, 'usr/lib/systemd/systemd'), '');
}

test("every folder on the way is repeated with the guest's own mode", async (t) => {
  const root = tempDir(t);
  systemd(root);
  mkdirSync(join(root, 'etc/systemd/system'), { recursive: true });
  chmodSync(join(root, 'etc'), 0o700);
  chmodSync(join(root, 'etc/systemd/system'), 0o1777);
  const entries = adaptationEntries(new GuestTree(root), false);
  const modeOf = (path: string): number | undefined =>
    entries.flatMap((entry) => (entry.type === 'directory' && entry.path === path ? [entry.mode] : []))[0];
  t.is(modeOf('/etc'), 0o700);
  t.is(modeOf('/etc/systemd/system'), 0o1777);
  t.is(modeOf('/etc/systemd/journald.conf.d'), 0o755);
  const names: string[] = [];
  const reader = extract();
  reader.end(await writeLayerTar(entries));
  for await (const entry of reader) {
    names.push(entry.header.name);
    entry.resume();
  }
  t.true(
    names.indexOf('etc/') < names.indexOf('etc/systemd/') && names.indexOf('etc/systemd/') < names.indexOf('etc/systemd/system/'),
    'parents come first',
  );
});

test('links in the guest lead nowhere but into the guest', (t) => {
  const root = tempDir(t);
  systemd(root);
  mkdirSync(join(root, 'real/system'), { recursive: true });
  mkdirSync(join(root, 'etc'));
  symlinkSync('../../../../real', join(root, 'etc/systemd'));
  const paths = adaptationEntries(new GuestTree(root), false).map(({ path }) => path);
  t.true(paths.includes('/real/system/tmp.mount'));
  t.false(paths.some((path) => path.startsWith('/etc/systemd')));
  t.true(paths.includes('/etc/fstab'));
});

test('the machine id stays when that is asked for, and a system without systemd gets no units', (t) => {
  const root = tempDir(t);
  mkdirSync(join(root, 'etc'));
  t.deepEqual(
    adaptationEntries(new GuestTree(root), false).map(({ path }) => path),
    ['/etc', '/etc/fstab'],
  );
  systemd(root);
  t.false(adaptationEntries(new GuestTree(root), true).some(({ path }) => path === '/etc/machine-id'));
});

test('a system with systemd and without /etc/systemd, or /etc, gets the whole adaptation', (t) => {
  const full = tempDir(t);
  systemd(full);
  mkdirSync(join(full, 'etc/systemd/system'), { recursive: true });
  const expected = adaptationEntries(new GuestTree(full), false);
  t.true(expected.length > 50);
  for (const folder of [undefined, 'etc', 'etc/systemd']) {
    const root = tempDir(t);
    systemd(root);
    if (folder !== undefined) mkdirSync(join(root, folder), { recursive: true });
    t.deepEqual(
      adaptationEntries(new GuestTree(root), false).map(({ path }) => path),
      expected.map(({ path }) => path),
      folder,
    );
  }
});

test('keys are made at the first start by a unit that sshd waits for, and a cloud is not looked for', (t) => {
  const root = tempDir(t);
  systemd(root);
  mkdirSync(join(root, 'etc/cloud'), { recursive: true });
  const entries = adaptationEntries(new GuestTree(root), false);
  const unit = entries.find(({ path }) => path === '/etc/systemd/system/layerswarm-first-start.service');
  t.regex(unit?.type === 'file' ? unit.content : '', /^Before=ssh\.service sshd\.service[^]*ssh-keygen -A/m);
  t.like(
    entries.find(({ path }) => path.endsWith('.wants/layerswarm-first-start.service')),
    { type: 'symlink', target: '../layerswarm-first-start.service' },
  );
  t.true(entries.some(({ path }) => path === '/etc/cloud/cloud-init.disabled'));
  for (const name of ['networking.service', 'systemd-networkd.service'])
    t.like(
      entries.find(({ path }) => path === `/etc/systemd/system/${name}`),
      { target: '/dev/null' },
    );
});
