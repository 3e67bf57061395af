import type { Digest } from '../../oci/digest.ts';

/** Manifests and configurations: too small to make room, and needed to use what is large. */
export const SMALL = 64 * 1024;

export interface EvictionCandidate {
  readonly key: string;
  readonly digest: Digest;
  /** Bytes that removing it frees. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly usedAt: number;
  /** Unfinished, and nobody is working on it. */
  readonly partial: boolean;
}

/**
 * What to remove so that at least `bytes` become free: unfinished blobs first, then large blobs, least recently used first, then
 * small ones; and of those nothing that turns out not to be needed. Undefined when even all of them are too little.
 */
export function chooseEvictions(candidates: readonly EvictionCandidate[], bytes: number): EvictionCandidate[] | undefined {
  const chosen: EvictionCandidate[] = [];
  let freed = 0;
  const ordered = [...candidates].sort((a, b) => rank(a) - rank(b) || a.usedAt - b.usedAt || (a.key < b.key ? -1 : 1));
  for (const candidate of ordered) {
    if (freed >= bytes) break;
    chosen.push(candidate);
    freed += candidate.size;
  }
  if (freed < bytes) return undefined;
  // the last one may be so large that earlier ones need not go; keep the most recently used of them
  return chosen
    .reverse()
    .filter((candidate) => {
      if (freed - candidate.size < bytes) return true;
      freed -= candidate.size;
      return false;
    })
    .reverse();
}

function rank(candidate: EvictionCandidate): number {
  if (candidate.partial) return 0;
  return candidate.size > SMALL ? 1 : 2;
}
