import { z } from 'zod';
import type { Operation } from './operation.ts';
import type { NodeOutcome, PrefetchProgress } from './prefetch-operation.ts';

export interface SeedRequest {
  /** As on the command line, with the full path of files. */
  readonly source: string;
  readonly as?: string | undefined;
  /** Of the image: what a root file system does not say itself. */
  readonly platform?: string | undefined;
  readonly dryRun?: boolean | undefined;
  readonly dockerHost?: string | undefined;
  /** Waits until other nodes have it too: all, or those of a zone. */
  readonly everywhere?: boolean | undefined;
  readonly zone?: string | undefined;
}

export type SeedLine =
  | { readonly kind: 'note'; readonly text: string }
  | { readonly kind: 'import' | 'push'; readonly doneBytes: number; readonly totalBytes: number }
  /** How far the nodes are with it. */
  | ({ readonly kind: 'wave' } & PrefetchProgress);

interface Blobs {
  readonly blobs: number;
  readonly bytes: number;
}

export interface SeedResult {
  readonly reference: string;
  readonly digest: string;
  /** Where the digests come from. `as-is`: the source has them. */
  readonly identity: 'as-is' | 'origin' | 'registry' | 'seeded-before' | 'engine' | 'saved';
  readonly layers: readonly { readonly digest: string; readonly size: number; readonly mediaType: string }[];
  /** Of all blobs and manifests. */
  readonly bytes: number;
  /** What the origin was sent, what it linked from another repository, and what it had; with `dryRun`, what it would be. */
  readonly uploaded: Blobs;
  readonly mounted: Blobs;
  readonly present: Blobs;
  /** What became of the tag at the origin. */
  readonly tag: 'none' | 'same' | 'new' | 'move' | 'keep';
  readonly dryRun: boolean;
  readonly seconds: number;
  /** With `everywhere`: what became of the nodes. */
  readonly nodes?: readonly NodeOutcome[];
  /** With `everywhere`: every node that allows it has the image. */
  readonly complete?: boolean;
}

export type SeedOperation = Operation<SeedRequest, SeedLine, SeedResult>;

const text = z.string().min(1).max(4096);

export const seedRequest: z.ZodType<SeedRequest> = z.strictObject({
  source: text,
  as: text.optional(),
  platform: text.optional(),
  dryRun: z.boolean().optional(),
  dockerHost: text.optional(),
  everywhere: z.boolean().optional(),
  zone: text.optional(),
});
