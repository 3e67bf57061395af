import type { Cleanup } from '../support/cleanup.ts';
import type { ClientOptions, ClientResult } from './client.ts';
import type { ChaosNode } from './node.ts';
import { TAG } from './origin-images.ts';
import type { Manner } from './plan.ts';
import type { World } from './world.ts';

/** Milliseconds without a byte after which a request is one that hangs. */
const SILENCE_MS = 60_000;

export interface Pull {
  readonly node: ChaosNode;
  readonly image: number;
  readonly manner: Manner;
  /** After everything was taken back. */
  readonly isCalm: boolean;
  readonly result: ClientResult;
}

/** One client of a node, from where the node runs. */
export async function pull(
  cleanup: Cleanup,
  { images }: World,
  node: ChaosNode,
  { image, manner, tryMs, patience }: { image: number; manner: Manner; tryMs: number; patience: number },
): Promise<ClientResult> {
  const { repository, digest, blobs } = images.images[image]!;
  const options: ClientOptions = {
    registry: 'http://127.0.0.1:5050',
    repository,
    tag: TAG,
    digest,
    manner,
    tryMs,
    silenceMs: SILENCE_MS * patience,
    blobs: blobs.map(({ digest }) => ({ digest, file: images.blobFile(digest) })),
  };
  const client = node.host.start(cleanup, process.execPath, [new URL('./client.ts', import.meta.url).pathname, JSON.stringify(options)]);
  const limit = setTimeout(
    () => {
      client.kill('SIGKILL');
    },
    tryMs + 4 * SILENCE_MS * patience,
  );
  const { stdout, stderr } = await client.finished;
  clearTimeout(limit);
  if (stdout.trim() === '')
    return {
      outcome: 'failed',
      seconds: tryMs / 1000,
      wrong: [],
      wrongAndCut: [],
      hung: [`a client of ${repository} did not end: ${stderr.slice(-500)}`],
    };
  return JSON.parse(stdout) as ClientResult;
}
