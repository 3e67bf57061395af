import { fork, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import type { Spent } from './lane/measure.ts';
import { readNumber, scriptArguments } from '../support/script-arguments.ts';

const USAGE = `The byte path between two processes on loopback: MB/s, and CPU-seconds per GiB on each side, beside the floor.
  node test/bench/lane.ts [--mib 1024] [--rounds 3] [--json]`;

interface Message {
  readonly port?: number;
  readonly peerId?: string;
  readonly multiaddr?: string;
  readonly ready?: boolean;
  readonly digest?: string;
  readonly receiver?: Spent;
  readonly sender?: Spent;
}

export interface LaneResult {
  readonly what: string;
  readonly megabytesPerSecond: number;
  readonly receiverCpuPerGiB: number;
  readonly senderCpuPerGiB: number | undefined;
}

const GIB = 1 << 30;
const OPTIONS = {
  options: {
    mib: { type: 'string', default: '1024' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
} as const;
const { bytes, roundCount, json } = scriptArguments(USAGE, OPTIONS, ({ values }) => ({
  bytes: readNumber('--mib', values.mib, 1) * 1024 * 1024,
  roundCount: readNumber('--rounds', values.rounds, 1),
  json: values.json,
}));
const children: ChildProcess[] = [];
const folder = await mkdtemp(join(tmpdir(), 'ls-bench-lane-'));
try {
  const results = await measureLanes(bytes, roundCount);
  process.stdout.write(json ? `${JSON.stringify(results, undefined, 2)}\n` : `${table(results)}\n`);
} finally {
  for (const child of children) child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
}

/** The round with the least CPU of each: what else runs on the machine only adds. */
async function measureLanes(size: number, rounds: number): Promise<LaneResult[]> {
  const path = join(folder, 'source');
  const hex = await writeSource(path, size);
  const measures: Record<string, (round: number) => Promise<LaneResult>> = {
    'read and hash alone': async () => result('read and hash alone', size, await child('hash-alone.ts', [path]).receiver()),
    'bare TLS → write → hash': async () => await bareTls(path, size),
    'TLS lane': async (round) => await lane('TLS lane', 'tls', path, hex, size, round),
    'stream lane': async (round) => await lane('stream lane', 'stream', path, hex, size, round),
  };
  const best: LaneResult[] = [];
  for (const measure of Object.values(measures)) {
    const taken: LaneResult[] = [];
    for (let round = 0; round < rounds; round++) taken.push(await measure(round));
    best.push(taken.sort((a, b) => a.receiverCpuPerGiB - b.receiverCpuPerGiB)[0]!);
  }
  return best;
}

async function bareTls(path: string, size: number): Promise<LaneResult> {
  const target = join(folder, 'bare');
  const sender = child('bare-tls.ts', ['send', path, String(size)]);
  const { port } = await sender.message('port');
  const receiver = child('bare-tls.ts', ['receive', target, String(size), String(port)]);
  const spent = await receiver.receiver();
  const { sender: sent } = await sender.message('sender');
  await rm(target);
  return result('bare TLS → write → hash', size, spent, sent);
}

async function lane(what: string, kind: string, path: string, hex: string, size: number, round: number): Promise<LaneResult> {
  const folders = [join(folder, `${kind}-${round}-a`), join(folder, `${kind}-${round}-b`)] as const;
  for (const made of folders) await mkdir(made);
  const sender = child('lane-node.ts', ['send', kind, folders[0], path]);
  const { peerId, multiaddr } = await sender.message('peerId');
  const receiver = child('lane-node.ts', ['receive', kind, folders[1], `sha256:${hex}`, String(size), peerId!, multiaddr!]);
  await receiver.message('ready');
  sender.process.send('start');
  receiver.process.send('start');
  const spent = await receiver.receiver();
  sender.process.send('stop');
  const { sender: sent } = await sender.message('sender');
  await Promise.all([sender.ended, receiver.ended]);
  for (const made of folders) await rm(made, { recursive: true, force: true });
  return result(what, size, spent, sent);
}

function child(
  file: string,
  args: readonly string[],
): { process: ChildProcess; message(key: keyof Message): Promise<Message>; receiver(): Promise<Spent>; readonly ended: Promise<unknown> } {
  const forked = fork(join(import.meta.dirname, 'lane', file), args);
  children.push(forked);
  const ended = once(forked, 'exit');
  const messages: Message[] = [];
  let look = (): void => undefined;
  forked.on('message', (message: Message) => {
    messages.push(message);
    look();
  });
  const message = async (key: keyof Message): Promise<Message> => {
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    look = () => {
      const found = messages.find((candidate) => candidate[key] !== undefined);
      if (found !== undefined) resolve(found);
    };
    forked.once('exit', (code) => {
      reject(new Error(`${file} ${args.join(' ')} ended with ${code} before it said ${key}`));
    });
    look();
    return await promise;
  };
  return { process: forked, ended, message, receiver: async () => (await message('receiver')).receiver! };
}

function result(what: string, size: number, receiver: Spent, sender?: Spent): LaneResult {
  const perGiB = GIB / size;
  return {
    what,
    megabytesPerSecond: size / 1e6 / receiver.seconds,
    receiverCpuPerGiB: receiver.cpuSeconds * perGiB,
    senderCpuPerGiB: sender === undefined ? undefined : sender.cpuSeconds * perGiB,
  };
}

async function writeSource(path: string, size: number): Promise<string> {
  const file = createWriteStream(path);
  const hash = createHash('sha256');
  const block = randomBytes(1 << 20);
  for (let at = 0; at < size; at += block.length) {
    block.writeUInt32BE(at / block.length);
    hash.update(block);
    if (!file.write(Buffer.from(block))) await once(file, 'drain');
  }
  file.end();
  await finished(file);
  return hash.digest('hex');
}

function table(results: readonly LaneResult[]): string {
  const [alone, bare] = results.map(({ receiverCpuPerGiB }) => receiverCpuPerGiB) as [number, number];
  return [
    '| | MB/s | receiver CPU-s/GiB | × read and hash | × bare TLS | sender CPU-s/GiB |',
    '|---|---|---|---|---|---|',
    ...results.map(
      ({ what, megabytesPerSecond, receiverCpuPerGiB: cpu, senderCpuPerGiB }) =>
        `| ${what} | ${megabytesPerSecond.toFixed(0)} | ${cpu.toFixed(2)} | ${(cpu / alone).toFixed(2)} | ${(cpu / bare).toFixed(2)} | ${senderCpuPerGiB?.toFixed(2) ?? '–'} |`,
    ),
  ].join('\n');
}
