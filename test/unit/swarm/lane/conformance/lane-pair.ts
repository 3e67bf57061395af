import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { LayerswarmError, type ErrorCode } from '../../../../../src/errors.ts';
import { Digest } from '../../../../../src/oci/digest.ts';
import type { ByteRange, Lane, LaneAnswer } from '../../../../../src/swarm/lane/lane.ts';
import type { BandwidthLimits } from '../../../../../src/swarm/lane/pace/bandwidth.ts';
import { fileAnswer } from '../../../../support/file-answer.ts';
import type { TestLaneSource } from '../../../../support/lane-source.ts';
import { tempDir } from '../../../../support/temp-dir.ts';

export interface LaneOptions {
  readonly stallMs?: number;
  readonly idleMs?: number;
  readonly bandwidth?: BandwidthLimits;
}

export interface LaneNode {
  readonly peerId: string;
  readonly source: TestLaneSource;
  laneTo(node: Pick<LaneNode, 'peerId'>): Promise<Lane>;
  /** The lane to that node, if one is open. */
  currentLane(node: Pick<LaneNode, 'peerId'>): Lane | undefined;
  /** Of all lanes to that node, whoever opened them. */
  use(node: Pick<LaneNode, 'peerId'>): { readonly isOpen: boolean; readonly sentBytes: number };
  /** Cuts every connection without a goodbye. */
  die(): Promise<void>;
}

/** The far end of a lane, byte by byte. */
export interface RawLane {
  /** The other side opened it, and waits to be greeted: this was done. */
  readonly greeted: boolean;
  write(bytes: Uint8Array): void;
  /** Everything that came. */
  received(): Buffer;
  readonly closed: Promise<void>;
}

/** Two nodes that are connected and have no lane yet; `stop` ends everything. */
export interface LanePair {
  readonly a: LaneNode;
  readonly b: LaneNode;
  /** A lane on which `a` makes its requests of `b`, and the test speaks for `b`. */
  rawLaneToA(): Promise<RawLane>;
  stop(): Promise<void>;
}

export type MakePair = (options?: LaneOptions) => Promise<LanePair>;

/** Declares a test of one implementation, with a pair of its own. */
export type WithPair = (title: string, body: (t: ExecutionContext, pair: LanePair) => Promise<void>, options?: LaneOptions) => void;

export const BLOB = Digest.of(Buffer.from('a blob of the lane tests'));
export const NEVER = new AbortController().signal;
export const NO_NOTE = new Uint8Array(0);
export const MIB = 1 << 20;

/** A file of 1 GiB that takes no room on the disk, as answers to requests; how many of them were let go. */
export async function hugeFile(t: ExecutionContext): Promise<{ readonly answer: (range: ByteRange) => LaneAnswer; released(): number }> {
  const path = join(tempDir(t, 'lane'), 'huge');
  await writeFile(path, '');
  await truncate(path, 1024 * MIB);
  let released = 0;
  return {
    answer: (range) =>
      fileAnswer(path, range, NO_NOTE, () => {
        released += 1;
      }),
    released: () => released,
  };
}

export async function throwsCode(t: ExecutionContext, work: Promise<unknown>, code: ErrorCode): Promise<void> {
  const error = await t.throwsAsync(work, { instanceOf: LayerswarmError });
  t.is(error?.code, code, error?.message);
}
