import type { StatusDocument } from '../../status/status-document.ts';
import type { SwarmRegistry } from '../../status/swarm-document.ts';
import { shown } from './shown.ts';
import type { Summary } from './summary.ts';

const MAX_REGISTRIES = 64;

/** Pure: this node's registries, and what others have beside those. */
export function mergeRegistries(
  { registries, origin }: Pick<StatusDocument, 'registries' | 'origin'>,
  summaries: readonly Summary[],
): Record<string, SwarmRegistry> {
  const merged = new Map<string, SwarmRegistry>(
    registries.map(({ name, kind, url, state, reason, bytes }) => [
      name,
      {
        name,
        kind,
        url,
        bytes,
        nodes: 0,
        failing: 0,
        state: kind === 'origin' ? origin.state : state,
        reason: kind === 'origin' ? origin.reason : reason,
      },
    ]),
  );
  for (const { name: told, kind, state } of summaries.flatMap(({ registries }) => registries)) {
    const name = shown(told);
    const known = merged.get(name);
    if (known === undefined && merged.size >= MAX_REGISTRIES) continue;
    const { nodes, failing, ...rest } = known ?? { name, kind, url: null, state: null, reason: null, bytes: 0, nodes: 0, failing: 0 };
    merged.set(name, { ...rest, nodes: nodes + 1, failing: failing + (state === 'ok' || state === 'unknown' ? 0 : 1) });
  }
  return Object.fromEntries(merged);
}
