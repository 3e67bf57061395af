/** What V8 writes for one thread with `--cpu-prof`. Times in microseconds of the monotonic clock, as in `process.hrtime`. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly startTime: number;
  /** Ids of nodes; each is of the moment that the time deltas up to its place sum up to. */
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export interface ProfileNode {
  readonly id: number;
  readonly callFrame: CallFrame;
  readonly children?: readonly number[];
}

/** A function; without a `url` one of V8 or Node in C++, or one of the marks that V8 puts in parentheses. */
export interface CallFrame {
  readonly functionName: string;
  readonly url: string;
}

/**
 * Microseconds between two moments by what `name` says of the stack, innermost frame first. A sample stands for the time until the next.
 */
export function sumProfile(
  profile: CpuProfile,
  from: number,
  to: number,
  name: (stack: readonly CallFrame[]) => string,
): Map<string, number> {
  const names = namesOf(profile.nodes, name);
  const sums = new Map<string, number>();
  let at = profile.startTime;
  for (const [i, id] of profile.samples.entries()) {
    at += profile.timeDeltas[i]!;
    const end = at + (profile.timeDeltas[i + 1] ?? 0);
    const micros = Math.min(end, to) - Math.max(at, from);
    if (micros <= 0) continue;
    const key = names.get(id)!;
    sums.set(key, (sums.get(key) ?? 0) + micros);
  }
  return sums;
}

function namesOf(nodes: readonly ProfileNode[], name: (stack: readonly CallFrame[]) => string): Map<number, string> {
  const parents = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node] as const)));
  return new Map(
    nodes.map((node) => {
      const stack: CallFrame[] = [];
      for (let at: ProfileNode | undefined = node; at !== undefined; at = parents.get(at.id)) stack.push(at.callFrame);
      return [node.id, name(stack)];
    }),
  );
}
