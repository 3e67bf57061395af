import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { mulberry } from '../sim/random.ts';

export interface SoakClientOptions {
  readonly registries: readonly string[];
  /** NAME:TAG of each. */
  readonly images: readonly string[];
  /** Milliseconds from the start of one pull to that of the next. */
  readonly everyMs: number;
  readonly seed: number;
}

/** Printed as JSON when it is told to end. */
export interface SoakClientReport {
  readonly pulls: number;
  readonly failed: number;
  readonly bytes: number;
  readonly problems: readonly string[];
}

interface Manifest {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string }[];
}

const PROBLEMS = 20;
const TIMEOUT_MS = 120_000;
/** Of pulls that run: what hangs must not pile up. */
const AT_ONCE = 16;
/** Connections that stay open show less of what is left behind than new ones. */
const KEPT_SHARE = 0.5;
const ACCEPT = 'application/vnd.oci.image.manifest.v1+json';

// Every client of a long run, in one process: pulls a random image from a random registry again and again, until SIGTERM.
const options = JSON.parse(process.argv[2] ?? '') as SoakClientOptions;
const random = mulberry(options.seed);
const kept = new Agent({ keepAlive: true });
const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)]!;
const problems: string[] = [];
const running = new Set<Promise<void>>();
let pulls = 0;
let failed = 0;
let bytes = 0;

const ended = new AbortController();
process.once('SIGTERM', () => {
  ended.abort();
});
while (!ended.signal.aborted) {
  if (running.size < AT_ONCE) {
    const pulling = pull(pick(options.registries), pick(options.images)).finally(() => running.delete(pulling));
    running.add(pulling);
  }
  await delay(options.everyMs, undefined, { signal: ended.signal }).catch(() => undefined);
}
await Promise.race([Promise.all(running), delay(5000)]);
console.log(JSON.stringify({ pulls, failed, bytes, problems } satisfies SoakClientReport));
process.exit(0);

async function pull(registry: string, image: string): Promise<void> {
  const [repository, tag] = image.split(':');
  const agent = random() < KEPT_SHARE ? kept : undefined;
  try {
    const manifest = JSON.parse((await read(`${registry}/v2/${repository}/manifests/${tag}`, undefined, agent)).toString()) as Manifest;
    for (const { digest } of [manifest.config, ...manifest.layers])
      await read(`${registry}/v2/${repository}/blobs/${digest}`, digest, agent);
    pulls += 1;
  } catch (error) {
    failed += 1;
    if (problems.length < PROBLEMS) problems.push(`${new Date().toISOString()} ${registry} ${image}: ${(error as Error).message}`);
  }
}

async function read(url: string, digest: string | undefined, agent: Agent | undefined): Promise<Buffer> {
  const request = get(url, {
    headers: { accept: ACCEPT },
    signal: AbortSignal.timeout(TIMEOUT_MS),
    ...(agent === undefined ? {} : { agent }),
  });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
  }
  const body = Buffer.concat(chunks);
  if (response.statusCode !== 200) throw new Error(`${url}: ${response.statusCode} ${body.toString().slice(0, 200)}`);
  const came = `sha256:${createHash('sha256').update(body).digest('hex')}`;
  if (digest !== undefined && came !== digest) throw new Error(`${url}: ${body.length} bytes of ${came}`);
  return body;
}
