import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CleanupStack } from '../support/cleanup.ts';
import { MAIN } from '../support/cli.ts';
import { debianTree } from '../support/debian-disk.ts';
import { makeDisk, makeFileSystem, toFormat } from '../support/disk-image.ts';
import { toolPath } from '../support/require-tool.ts';
import { tempDir } from '../support/temp-dir.ts';
import { scriptArguments } from '../support/script-arguments.ts';

const USAGE = `Seconds, CPU, memory and bytes of converting a guest of 2 GB, on every backend, beside GNU tar of the mounted tree and sha256sum, and
of each compression, beside pigz and the compressor alone on the same tar stream. As root:
'node test/bench/convert.ts [--program dist/cli/main.js] [--rows REGEXP]'`;

const OPTIONS = { options: { program: { type: 'string', default: MAIN }, rows: { type: 'string', default: '' } } } as const;
const { program, wanted } = scriptArguments(USAGE, OPTIONS, ({ values }) => ({ program: values.program, wanted: new RegExp(values.rows) }));
const GIB = 2 ** 30;
const CACHE = fileURLToPath(new URL('../.cache/bench-guest-1', import.meta.url));
const COMPRESSOR = fileURLToPath(new URL('convert/compressor-alone.ts', import.meta.url));

/** A Debian, its /usr twice more for many small files, and large files of programs up to 2 GB. */
async function guestTree(): Promise<string> {
  if (existsSync(CACHE)) return CACHE;
  const debian = await debianTree();
  const staging = `${CACHE}.tmp`;
  rmSync(staging, { recursive: true, force: true });
  const copy = { recursive: true, verbatimSymlinks: true, preserveTimestamps: true };
  cpSync(debian, staging, { ...copy, filter: (path) => !path.startsWith(join(debian, 'dev/')) });
  for (const name of ['one', 'two']) cpSync(join(debian, 'usr'), join(staging, 'srv', name), copy);
  const programs = readFileSync(process.execPath);
  mkdirSync(join(staging, 'srv/large'));
  let bytes = 700 * 2 ** 20;
  for (let i = 0; bytes < 2 * GIB; i++) {
    // Shifted, so that no two are alike; as compressible as programs are.
    const file = programs.subarray(i * 12_345, i * 12_345 + 16 * 2 ** 20);
    writeFileSync(join(staging, `srv/large/${i}`), file);
    bytes += file.length;
  }
  await run(['mv', staging, CACHE]);
  return CACHE;
}

interface Cost {
  readonly seconds: number;
  readonly cpu: number;
  /** Bytes: the largest sum of what the process and its descendants have resident, shared pages counted for each. */
  readonly memory: number;
}

/** Runs a command line; CPU is that of all of its descendants that were waited for. */
async function run(command: readonly string[]): Promise<Cost> {
  const begin = performance.now();
  const child = spawn('bash', ['-c', '"$@" >&2; code=$?; times; exit $code', 'bash', ...command], {
    env: { ...process.env, PATH: toolPath },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr, memory] = ['', '', 0];
  child.stdout.on('data', (text: Buffer) => {
    stdout += text.toString();
  });
  child.stderr.on('data', (text: Buffer) => {
    stderr += text.toString();
  });
  const poll = setInterval(() => {
    memory = Math.max(memory, treeMemory(child.pid!));
  }, 250);
  const code = await new Promise((resolve) => child.on('close', resolve));
  clearInterval(poll);
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${String(code)}: ${stderr}`);
  const times = [...(stdout.trim().split('\n').at(-1) ?? '').matchAll(/(\d+)m([\d.]+)s/g)];
  return {
    seconds: (performance.now() - begin) / 1000,
    cpu: times.reduce((sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds), 0),
    memory,
  };
}

function treeMemory(root: number): number {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const stat = read(`/proc/${name}/stat`);
    if (stat !== '') parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 4).split(' ')[0]));
  }
  const isBelow = (pid: number): boolean => pid === root || (parents.has(pid) && isBelow(parents.get(pid)!));
  return [...parents.keys()]
    .filter(isBelow)
    .reduce((sum, pid) => sum + Number(/^VmRSS:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) * 1024, 0);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // The process has ended.
  }
}

const cleanup = new CleanupStack();
try {
  const tree = await guestTree();
  const image = await makeFileSystem(cleanup, tree, { sizeMiB: 3000 });
  const raw = await makeDisk(cleanup, [{ image, sizeMiB: 3000 }]);
  const disk = await toFormat(cleanup, raw, 'qcow2');
  const isCompressed = ['loop', 'raw'].some((backend) => wanted.test(`convert of a compressed qcow2, ${backend}`));
  const compressed = !isCompressed ? disk : await toFormat(cleanup, raw, 'qcow2', ['-c', '-m', '8', '-W'], 'compressed.qcow2');
  const dir = tempDir(cleanup, 'bench');
  const out = join(dir, 'out.tar');
  const convert = (source: string, ...args: string[]): string[] => [
    process.execPath,
    program,
    'convert',
    source,
    '--no-source-digest',
    ...args,
  ];

  // The same mapping and mount as the loop backend has, by hand.
  const script = join(dir, 'baseline.sh');
  writeFileSync(
    script,
    String.raw`set -e
    cd "$2"; : > p; mkdir -p m
    qemu-storage-daemon --blockdev driver=qcow2,node-name=q,read-only=on,file.driver=file,file.filename="$1" \
      --blockdev driver=raw,node-name=r,offset=1048576,size=3145728000,read-only=on,file=q --export type=fuse,id=e,node-name=r,mountpoint="$2/p" & daemon=$!
    until mountpoint -q "$2/p"; do sleep 0.05; done
    mount -o loop,ro "$2/p" "$2/m"
    code=0; sh -c "$3" sh "$2/m" "$4" || code=$?
    umount "$2/m"; kill $daemon; wait $daemon || :; exit $code`,
  );
  const tar = String.raw`LC_ALL=C tar -C "$1" --format=posix --pax-option=delete=atime,delete=ctime,delete=mtime --sort=name --numeric-owner --xattrs --xattrs-include='user.*' --xattrs-include=security.capability --xattrs-include='system.posix_acl_*' --one-file-system`;
  const baseline = (end: string): string[] => ['unshare', '--mount', '--propagation', 'private', 'bash', script, disk, dir, end, out];

  const plain = join(dir, 'plain.tar');
  const ways: [string, readonly string[]][] = [
    ['GNU tar of the mounted tree, then sha256sum', baseline(`${tar} -cf "$2" . && sha256sum "$2"`)],
    ['convert, loop', convert(disk, '--trust', '--backend', 'loop', '-o', `tar:${out}`)],
    ['convert, fuse', convert(disk, '--backend', 'fuse', '-o', `tar:${out}`)],
    ['convert, raw copy and kernel mount', convert(disk, '--trust', '--backend', 'raw', '-o', `tar:${out}`)],
    ['convert of a compressed qcow2, loop', convert(compressed, '--trust', '--backend', 'loop', '-o', `tar:${out}`)],
    ['convert of a compressed qcow2, raw', convert(compressed, '--trust', '--backend', 'raw', '-o', `tar:${out}`)],
    ['pigz -6 alone, of the tar in the page cache', ['sh', '-c', 'pigz -6 < "$1" > "$2"', 'sh', plain, out]],
    ['the gzip compressor alone, likewise', [process.execPath, COMPRESSOR, 'gzip', plain, out]],
    ['the zstd compressor alone, likewise', [process.execPath, COMPRESSOR, 'zstd', plain, out]],
    ['GNU tar \\| pigz -6', baseline(`${tar} -cf - . | pigz -6 > "$2"`)],
    ['convert, loop, gzip', convert(disk, '--trust', '--backend', 'loop', '--compression', 'gzip', '-o', `tar:${out}`)],
    ['convert, loop, zstd', convert(disk, '--trust', '--backend', 'loop', '--compression', 'zstd', '-o', `tar:${out}`)],
  ];
  if (ways.some(([name, command]) => wanted.test(name) && command.includes(plain)))
    await run(convert(disk, '--trust', '--backend', 'loop', '-o', `tar:${plain}`));
  console.log(
    `Guest: ${(statSync(disk).size / 1e9).toFixed(2)} GB of qcow2; ${availableParallelism()} cores; Node ${process.versions.node}\n`,
  );
  console.log('| way | seconds | CPU s | memory MB | output MB |\n|---|---|---|---|---|');
  // Everything is measured with the image in the page cache.
  await run(['sha256sum', disk, compressed]);
  for (const [name, command] of ways.filter(([name]) => wanted.test(name))) {
    const { seconds, cpu, memory } = await run(command);
    console.log(
      `| ${name} | ${seconds.toFixed(1)} | ${cpu.toFixed(1)} | ${(memory / 1e6).toFixed(0)} | ${(statSync(out).size / 1e6).toFixed(0)} |`,
    );
    rmSync(out);
  }
} finally {
  await cleanup.undo();
}
