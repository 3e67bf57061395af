/** Of one program part: places counted, comparisons traced. What instrumented code calls by the name `__fuzz`. */
export interface Probe {
  /** How often each place was passed in this run; a place's number is given out once for the process. */
  readonly counters: Uint16Array;
  /** Whether `left` and `right` keep what they see. */
  tracing: boolean;
  /** What was compared with what. */
  readonly pairs: Pair[];
  left<T>(value: T): T;
  right<T>(value: T): T;
}

export type Pair = readonly [unknown, unknown];

declare global {
  // eslint-disable-next-line no-var
  var __fuzz: Probe | undefined;
}

const PLACES = 1 << 16;
const MAX_PAIRS = 4096;

export function installProbe(): Probe {
  let last: unknown;
  const probe: Probe = {
    counters: new Uint16Array(PLACES),
    tracing: false,
    pairs: [],
    left(value) {
      last = value;
      return value;
    },
    right(value) {
      if (probe.tracing && last !== value && probe.pairs.length < MAX_PAIRS) probe.pairs.push([last, value]);
      return value;
    },
  };
  globalThis.__fuzz = probe;
  return probe;
}
