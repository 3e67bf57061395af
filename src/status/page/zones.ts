import type { SwarmNode } from '../swarm-document.ts';

export interface Zone {
  readonly name: string;
  readonly nodes: readonly SwarmNode[];
  /** What its nodes receive. */
  readonly bytesPerSecond: number;
}

const SEVERITY = { bad: 0, degraded: 1, unknown: 3, ok: 3 } as const;

export function isMoving({ fromOrigin, fromPeers, toPeers }: Pick<SwarmNode, 'fromOrigin' | 'fromPeers' | 'toPeers'>): boolean {
  return fromOrigin + fromPeers + toPeers > 0;
}

/** Pure: zones by name; in each this node first, then those that are not well, then by name as people count (`node-9` before `node-10`). */
export function groupByZone(nodes: readonly SwarmNode[]): Zone[] {
  const zones = new Map<string, SwarmNode[]>();
  for (const node of nodes) zones.set(node.zone, [...(zones.get(node.zone) ?? []), node]);
  return [...zones]
    .sort(([a], [b]) => compareNames(a, b))
    .map(([name, members]) => ({
      name,
      nodes: members.sort(
        (a, b) =>
          Number(b.isSelf) - Number(a.isSelf) ||
          SEVERITY[a.level] - SEVERITY[b.level] ||
          compareNames(a.name, b.name) ||
          compareNames(a.peerId, b.peerId),
      ),
      bytesPerSecond: members.reduce((sum, { fromOrigin, fromPeers }) => sum + fromOrigin + fromPeers, 0),
    }));
}

const collator = new Intl.Collator('en', { numeric: true });

export function compareNames(a: string, b: string): number {
  return collator.compare(a, b);
}
