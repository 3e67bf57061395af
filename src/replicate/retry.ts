import type { ErrorCode } from '../errors.ts';

/** Milliseconds: the first pause, doubled with each failure, and the longest. */
const FIRST_PAUSE = 2_000;
const LONGEST_PAUSE = 600_000;

/** Trying again will not help: somebody has to change the image, the target or the configuration. */
const PERMANENT: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'origin-conflict',
  'manifest-invalid',
  'too-large',
  'unsupported',
  'name-invalid',
  'reference-invalid',
  'config-invalid',
  'usage',
]);

export function isPermanent(code: ErrorCode): boolean {
  return PERMANENT.has(code);
}

/** Half to one and a half of the exponential pause: nodes and jobs that failed together do not come back together. */
export function pauseAfter(failures: number, random: number): number {
  return (0.5 + random) * Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(30, failures - 1));
}
