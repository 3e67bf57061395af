import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { Agent, get, type IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { MAX_HELD_BYTES } from '../../src/registry/pull/held-blobs.ts';
import type { Manner } from './plan.ts';

export interface ClientOptions {
  readonly registry: string;
  readonly repository: string;
  readonly tag: string;
  /** What the tag means, and files with the right bytes. */
  readonly digest: string;
  readonly blobs: readonly { readonly digest: string; readonly file: string }[];
  readonly manner: Manner;
  /** Milliseconds without a byte after which a request is given up as one that hangs. */
  readonly silenceMs: number;
  /** Milliseconds until which it tries again. */
  readonly tryMs: number;
}

/** What one client saw; printed as JSON. */
export interface ClientResult {
  readonly outcome: 'ok' | 'failed' | 'left';
  readonly seconds: number;
  /** How the last attempt failed. */
  readonly error?: string;
  /** Bytes that were not the right ones, whatever came of the request. */
  readonly wrong: readonly string[];
  /** The same of a blob that is too large to be proven in memory, and whose answer was cut before its last byte. */
  readonly wrongAndCut: readonly string[];
  /** Requests that ended by none of the two sides. */
  readonly hung: readonly string[];
}

const RETRY_MS = 500;
const PARALLEL = 3;
const CROWD = 200;
/** Bytes that a crowd reads together: a large image has a smaller one. */
const CROWD_BYTES = 200 * 2 ** 20;
const STOP_MS = 5000;
const LEAVE_AFTER = 64 * 1024;
/** Containerd's and Docker's types, or a registry would convert. */
const ACCEPT = 'application/vnd.oci.image.manifest.v1+json';

/** It has what it came for. */
class Left extends Error {}

// A container runtime as far as a registry can tell: the manifest by its tag, then the blobs, three at a time, and all again when
// something failed. Each byte is compared as it comes.
const options = JSON.parse(process.argv[2] ?? '') as ClientOptions;
const wrong: string[] = [];
const wrongAndCut: string[] = [];
const hung: string[] = [];
const startedAt = performance.now();
const agent = new Agent({ keepAlive: true });
const crowd = Math.max(2, Math.min(CROWD, Math.floor(CROWD_BYTES / options.blobs.reduce((sum, { file }) => sum + statSync(file).size, 0))));
const { outcome, error } = await pull();
agent.destroy();
console.log(
  JSON.stringify({
    outcome,
    seconds: (performance.now() - startedAt) / 1000,
    wrong,
    wrongAndCut,
    hung,
    ...(error === undefined ? {} : { error }),
  } satisfies ClientResult),
);

async function pull(): Promise<Pick<ClientResult, 'outcome' | 'error'>> {
  for (;;) {
    try {
      if (options.manner === 'crowd')
        await Promise.all(
          Array.from({ length: crowd }, async () => {
            await once();
          }),
        );
      else await once();
      return { outcome: 'ok' };
    } catch (error) {
      if (error instanceof Left) return { outcome: 'left' };
      if (wrong.length > 0 || performance.now() - startedAt > options.tryMs)
        return { outcome: 'failed', error: error instanceof Error ? error.message : String(error) };
    }
    await delay(RETRY_MS);
  }
}

async function once(): Promise<void> {
  await read(`manifests/${options.tag}`, options.digest, undefined);
  const left = [...options.blobs];
  await Promise.all(
    Array.from({ length: PARALLEL }, async () => {
      for (let blob = left.shift(); blob !== undefined; blob = left.shift()) await read(`blobs/${blob.digest}`, blob.digest, blob.file);
    }),
  );
}

async function read(path: string, digest: string, file: string | undefined): Promise<void> {
  const what = `${options.repository}/${path}`;
  const gone = new AbortController();
  let sinceByte = performance.now();
  const timer = setInterval(() => {
    if (performance.now() - sinceByte < options.silenceMs) return;
    hung.push(`${what}: no byte for ${Math.round(options.silenceMs / 1000)} s`);
    gone.abort();
  }, 500);
  const fd = file === undefined ? undefined : openSync(file, 'r');
  const hash = createHash('sha256');
  const wrongHere: string[] = [];
  let at = 0;
  let isCut = true;
  try {
    const response = await ask(`/v2/${what}`, gone.signal);
    if (response.statusCode !== 200) {
      response.resume();
      throw new Error(`${what}: ${response.statusCode}`);
    }
    for await (const chunk of response as AsyncIterable<Buffer>) {
      sinceByte = performance.now();
      hash.update(chunk);
      if (fd !== undefined && !sameBytes(fd, at, chunk)) wrongHere.push(`${what}: wrong bytes at ${at} to ${at + chunk.length}`);
      at += chunk.length;
      if (options.manner === 'leaves' && fd !== undefined && at > LEAVE_AFTER) throw new Left();
      if (options.manner === 'stops' && fd !== undefined && at === chunk.length) {
        await delay(STOP_MS);
        sinceByte = performance.now();
      }
    }
    isCut = false;
    const came = `sha256:${hash.digest('hex')}`;
    // a body without a length may end early, and a manifest is told by its digest alone
    if (came !== digest) wrong.push(`${what}: ${at} bytes of ${came}, expected ${digest}`);
  } finally {
    clearInterval(timer);
    (isCut && file !== undefined && statSync(file).size > MAX_HELD_BYTES ? wrongAndCut : wrong).push(...wrongHere);
    if (fd !== undefined) closeSync(fd);
  }
}

async function ask(path: string, signal: AbortSignal): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  get(new URL(path, options.registry), { agent, signal, headers: { accept: ACCEPT } }, resolve).on('error', reject);
  return await promise;
}

function sameBytes(fd: number, at: number, chunk: Buffer): boolean {
  const right = Buffer.alloc(chunk.length);
  return readSync(fd, right, 0, chunk.length, at) === chunk.length && right.equals(chunk);
}
