import test, { type ExecutionContext } from 'ava';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { convertDisk } from '../../../src/convert/convert.ts';
import { LayerswarmError } from '../../../src/errors.ts';
import { CleanupStack } from '../../support/cleanup.ts';
import { MAIN } from '../../support/cli.ts';
import { AS_NOBODY, BACKENDS, leftovers, requireConversion, withoutLeaks } from '../../support/conversion.ts';
import { makeFileSystem, toFormat } from '../../support/disk-image.ts';
import { makeGuestTree } from '../../support/guest-tree.ts';
import { run, runOk, type RunningProgram, startProgram } from '../../support/process.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { waitFor } from '../../support/wait-for.ts';

/** The programs without which a disk cannot be packed, the one that packs last: tar, or our own reader, which a Node runs. */
const READERS = { fuse: ['qemu-storage-daemon', 'MainThread'], loop: ['qemu-storage-daemon', 'tar'], raw: ['MainThread'] } as const;

const fixtures = new CleanupStack();
let large: Promise<string> | undefined;

/** Large enough that something can happen while it is packed; the same for every test. */
async function largeDisk(): Promise<string> {
  large ??= (async () => {
    const files = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`var/data/${i}`, randomBytes(4 * 1024 * 1024)]));
    return await toFormat(fixtures, await makeFileSystem(fixtures, makeGuestTree(fixtures, { files }), { sizeMiB: 80 }), 'qcow2');
  })();
  return await large;
}

test.after.always(async () => {
  await fixtures.undo();
});

/** Process ids of the programs of a conversion, by what they are. */
function programsOf(scratch: string, name: string): number[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      try {
        // In this order: a child that has not yet become its program has our name, and then not our environment.
        return (
          readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`LAYERSWARM_SCRATCH=${scratch}`) &&
          readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith(name.slice(0, 15))
        );
      } catch {
        return false; // It has ended.
      }
    })
    .map(Number);
}

/** The command line as it converts a large disk to a layout, with the last of its programs at work. */
async function packingProgram(
  t: ExecutionContext,
  backend: keyof typeof READERS,
  scratch: string,
  layout: string,
): Promise<RunningProgram> {
  const program = startProgram(t, process.execPath, [
    MAIN,
    'convert',
    await largeDisk(),
    '--backend',
    backend,
    '--scratch',
    scratch,
    '--output',
    `oci:${layout}`,
  ]);
  await program.waitFor('what packs', () => programsOf(scratch, READERS[backend].at(-1)!).length > 0);
  return program;
}

for (const backend of BACKENDS) {
  test(`a reader that is killed mid-way is an error of the ${backend} backend, and nothing is left`, async (t) => {
    if (!requireConversion(t, 'root')) return;
    const disk = await largeDisk();
    const out = tempDir(t, 'out');
    for (const victim of READERS[backend]) {
      const error = await t.throwsAsync(
        withoutLeaks(t, async (scratch) => {
          let killed = false;
          await convertDisk(
            disk,
            { kind: 'tar', file: join(out, 'layer.tar') },
            {
              scratch,
              backend,
              compression: 'gzip',
              onProgress: () => {
                if (killed) return;
                for (const pid of programsOf(scratch, victim)) {
                  process.kill(pid, 'SIGKILL');
                  killed = true;
                }
              },
            },
          );
        }),
        { instanceOf: LayerswarmError },
      );
      t.regex(error?.message ?? '', /ended with/, victim);
      t.deepEqual(readdirSync(out), []);
    }
  });

  test(`Ctrl-C ends a conversion of the ${backend} backend in order`, async (t) => {
    if (!requireConversion(t, 'root')) return;
    const scratch = tempDir(t, 'scr');
    const out = tempDir(t, 'out');
    const program = await packingProgram(t, backend, scratch, join(out, 'layout'));
    process.kill(program.pid, 'SIGINT');
    const { code, stderr } = await program.finished;
    t.is(code, 130);
    t.regex(stderr, /interrupted by SIGINT\n$/);
    t.deepEqual(leftovers(scratch), []);
    // The folder itself may not have been made yet.
    t.deepEqual(
      readdirSync(out, { recursive: true }).filter((name) => name !== 'layout'),
      [],
    );
  });

  test(`what a killed converter of the ${backend} backend left is found at the next start`, async (t) => {
    if (!requireConversion(t, 'root')) return;
    const scratch = tempDir(t, 'scr');
    const out = tempDir(t, 'out');
    const program = await packingProgram(t, backend, scratch, join(out, 'layout'));
    // The converter alone: what it started must notice.
    process.kill(program.pid, 'SIGKILL');
    await program.finished;
    await waitFor('the programs to end', () => leftovers(scratch).every((line) => line.startsWith('layerswarm-disk-')));
    t.is(readdirSync(scratch).length, 1);
    const next = await makeFileSystem(t, makeGuestTree(t));
    t.is(readdirSync(join(out, 'layout')).length, 1);
    await convertDisk(next, { kind: 'layout', dir: join(out, 'layout') }, { scratch });
    t.deepEqual(leftovers(scratch), []);
    t.deepEqual(readdirSync(join(out, 'layout')).sort(), ['blobs', 'index.json', 'manifest.json', 'oci-layout']);
  });
}

test('a copy of the disk that is killed or interrupted is an error, and nothing is left of it', async (t) => {
  if (!requireConversion(t)) return;
  const disk = await makeFileSystem(t, makeGuestTree(t));
  for (const [ending, exitCode, message] of [
    ['kill -9 $$', 1, /qemu-img ended with SIGKILL\n$/],
    ['exec sleep 600', 130, /interrupted by SIGTERM\n$/],
  ] as const) {
    const [bin, scratch, out] = [tempDir(t, 'bin'), tempDir(t, 'scr'), tempDir(t, 'out')];
    // Half a copy, then what happens to it.
    writeFileSync(join(bin, 'qemu-img'), `#!/bin/sh\nfor last; do :; done; echo half > "$last"; ${ending}\n`, { mode: 0o755 });
    const program = startProgram(
      t,
      process.execPath,
      [MAIN, 'convert', disk, '--backend', 'raw', '--scratch', scratch, '--output', `tar:${join(out, 'a.tar')}`],
      { env: { PATH: `${bin}:${process.env['PATH']}` } },
    );
    if (ending.includes('sleep')) {
      await program.waitFor('the copy', () => programsOf(scratch, 'sleep').length > 0);
      process.kill(program.pid, 'SIGTERM');
    }
    const { code, stderr } = await program.finished;
    t.is(code, exitCode);
    t.regex(stderr, message);
    t.deepEqual([...leftovers(scratch), ...readdirSync(out)], []);
  }
});

test('a full disk is an error with its own code, and takes what was written away', async (t) => {
  if (!requireConversion(t, 'root')) return;
  const disk = await largeDisk();
  const small = join(tempDir(t, 'small'), 'mnt');
  mkdirSync(small);
  await runOk('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'layerswarm-test', small]);
  try {
    for (const output of [
      { kind: 'tar', file: join(small, 'a.tar') },
      { kind: 'layout', dir: join(small, 'layout') },
    ] as const) {
      const error = await t.throwsAsync(
        withoutLeaks(t, (scratch) => convertDisk(disk, output, { scratch })),
        { instanceOf: LayerswarmError },
      );
      t.is(error?.code, 'disk-full', error?.message);
    }
    const error = await t.throwsAsync(
      convertDisk(disk, { kind: 'tar', file: join(tempDir(t, 'out'), 'a.tar') }, { scratch: small, backend: 'raw' }),
      { instanceOf: LayerswarmError },
    );
    t.is(error?.code, 'disk-full', error?.message);
    t.deepEqual(
      readdirSync(small).filter((name) => name !== 'layout'),
      [],
    );
  } finally {
    await runOk('umount', [small]);
  }
});

test('of a disk that changes while it is read, and of a guest without programs, nothing gets a name', async (t) => {
  if (!requireConversion(t)) return;
  const disk = await makeFileSystem(t, makeGuestTree(t));
  const noPrograms = await makeFileSystem(t, makeGuestTree(t, { files: { 'bin/sh': '#!text', 'sbin/init': '#!text' } }));
  const out = tempDir(t, 'out');
  for (const output of [
    { kind: 'tar', file: join(out, 'a.tar') },
    { kind: 'archive', file: join(out, 'b.tar') },
    { kind: 'layout', dir: join(out, 'layout') },
  ] as const) {
    const changed = await t.throwsAsync(
      withoutLeaks(t, (scratch) =>
        convertDisk(disk, output, {
          scratch,
          onProgress: () => {
            utimesSync(disk, 1, Date.now() / 1000);
          },
        }),
      ),
      { instanceOf: LayerswarmError, message: /was written to while/ },
    );
    t.is(changed?.code, 'verification-failed');
    let packed = 0;
    await t.throwsAsync(
      withoutLeaks(t, (scratch) =>
        convertDisk(noPrograms, output, {
          scratch,
          onProgress: () => {
            packed += 1;
          },
        }),
      ),
      { instanceOf: LayerswarmError, message: /is an ELF program/ },
    );
    t.is(packed, 0, 'found out before anything was packed');
    t.deepEqual(
      readdirSync(out).flatMap((name) => (name === 'layout' ? readdirSync(join(out, name)) : [name])),
      [],
    );
  }
});

test('the command line says in one line what is wrong, with the exit codes of the contract', async (t) => {
  if (!requireConversion(t)) return;
  const dir = tempDir(t, 'cli');
  await runOk('qemu-img', ['create', '-q', '-f', 'qcow2', '-u', '-b', '/etc/shadow', '-F', 'raw', join(dir, 'b.qcow2'), '1G']);
  for (const [args, code, message] of [
    [[join(dir, 'none.qcow2')], 3, /there is no disk image/],
    [[join(dir, 'b.qcow2')], 1, /backing file/],
    [[dir], 2, /not a file/],
    [[join(dir, 'b.qcow2'), '-o', 'nonsense'], 2, /none of oci:DIR/],
    [[join(dir, 'b.qcow2'), '--keep', 'everything'], 2, /none of kernel/],
  ] as const) {
    const result = await run(process.execPath, [MAIN, 'convert', ...args]);
    t.is(result.code, code, result.stderr);
    t.regex(result.stderr, message);
    t.is(result.stderr.trim().split('\n').length, 1);
  }
});

test('disk map and disk mount show a disk until unmount, to a plain user too', async (t) => {
  if (!requireConversion(t, 'root')) return;
  const disk = await toFormat(t, await makeFileSystem(t, makeGuestTree(t, { files: { 'etc/motd': 'hello' } })), 'qcow2');
  for (const user of [[], AS_NOBODY]) {
    const dir = tempDir(t, 'map');
    const scratch = tempDir(t, 'tmp');
    await runOk('chmod', ['a+rwx', dir, scratch, join(disk, '..')]);
    const layerswarm = (...args: string[]): ReturnType<typeof run> => {
      const [file, ...rest] = [...user, process.execPath, MAIN, ...args] as string[];
      return run(file!, rest, { env: { TMPDIR: scratch, HOME: dir } });
    };
    const read = (path: string): ReturnType<typeof run> => {
      const [file, ...rest] = [...user, 'cat', path] as string[];
      return run(file!, rest);
    };
    const [map, tree] = [join(dir, 'map'), join(dir, 'tree')];
    const mapped = await layerswarm('--json', 'disk', 'map', disk, map);
    t.is(mapped.code, 0, mapped.stderr);
    t.like(JSON.parse(mapped.stdout), { files: [{ name: 'disk', file: join(map, 'disk') }, { name: 'disk' }] });
    const mounted = await layerswarm('disk', 'mount', map, tree);
    t.is(mounted.code, 0, mounted.stderr);
    t.is((await read(join(tree, 'etc/motd'))).stdout, 'hello');
    for (const folder of [tree, map]) t.is((await layerswarm('disk', 'unmount', folder)).code, 0);
    t.deepEqual([...readdirSync(map), ...readdirSync(tree), ...leftovers(scratch)], []);
    t.is((await layerswarm('disk', 'unmount', tree)).code, 3);
  }
});

test('a disk that cannot be mapped or mounted leaves no folder that was made for it', async (t) => {
  if (!requireConversion(t)) return;
  const dir = tempDir(t);
  const damaged = join(dir, 'damaged.qcow2');
  writeFileSync(damaged, Buffer.from('QFI\xfb, and nothing that fits', 'latin1'));
  for (const how of ['map', 'mount'])
    for (const image of [damaged, join(dir, 'missing')]) {
      const { code, stderr } = await run(process.execPath, [MAIN, 'disk', how, image, join(dir, 'made/for it')], {
        env: { TMPDIR: tempDir(t, 'tmp') },
      });
      t.not(code, 0, stderr);
      t.deepEqual(readdirSync(dir), ['damaged.qcow2'], `${how} ${image}: ${stderr}`);
    }
});
