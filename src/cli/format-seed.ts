import { formatBytes } from '../agent/quantity.ts';
import type { SeedResult, WaveNode } from '../control/seed-operation.ts';
import { formatSeconds, shortDigest } from './format.ts';
import { printable, table } from './table.ts';

const IDENTITIES: Readonly<Record<SeedResult['identity'], string>> = {
  'as-is': 'digests as in the source',
  origin: 'the origin has it already',
  registry: 'digests of the registry that it came from',
  'seeded-before': 'digests as it was seeded before',
  engine: 'digests of the Docker Engine\'s push',
  saved: 'uncompressed layers, as the Docker Engine saves them',
};

export function formatSeed(result: SeedResult): string {
  const { reference, digest, identity, layers, bytes, uploaded, mounted, present, dryRun, seconds, nodes } = result;
  return [
    `${reference}  ${digest}`,
    `  ${formatBytes(bytes)}, ${IDENTITIES[identity]}${dryRun ? '' : `, in ${formatSeconds(seconds)}`}`,
    `  origin ${dryRun ? 'would be sent' : 'was sent'}  ${formatBytes(uploaded.bytes)} in ${uploaded.blobs} blobs; ${mounted.blobs} linked, ${present.blobs} there already; ${tagText(result)}`,
    ...layers.map(({ digest, size }) => `  layer  ${digest}  ${formatBytes(size)}`),
    ...(nodes === undefined ? [] : ['', formatNodes(nodes)]),
  ].join('\n');
}

/** What became of other nodes. */
export function formatNodes(nodes: readonly WaveNode[]): string {
  return table([
    { label: 'NODE', value: ({ peerId }) => peerId },
    { label: 'ZONE', value: ({ zone }) => zone },
    { label: 'STATE', value: ({ state }) => state },
    { label: 'HAS', value: ({ haveBytes }) => formatBytes(haveBytes), align: 'right' },
    { label: '', value: ({ reason }) => (reason === null ? '' : printable(reason)) },
  ], nodes, 'no other node is connected');
}

/** One line over all nodes. */
export function waveSummary(nodes: readonly WaveNode[]): string {
  const count = (state: WaveNode['state']): number => nodes.filter((node) => node.state === state).length;
  const others = (['refused', 'failed', 'gone'] as const).flatMap((state) => (count(state) === 0 ? [] : [`${count(state)} ${state}`]));
  const bytes = nodes.reduce((sum, { haveBytes }) => sum + haveBytes, 0);
  return [`${count('done')} of ${nodes.length} nodes have it, ${formatBytes(bytes)} there`, ...others].join(', ');
}

function tagText({ tag, digest, dryRun }: SeedResult): string {
  switch (tag) {
    case 'new': return dryRun ? 'the tag would be new' : 'the tag is new';
    case 'move': return dryRun ? 'the tag would move' : 'the tag moved';
    case 'same': case 'keep': case 'none': return `the tag is ${shortDigest(digest)} already`;
    default: return tag satisfies never;
  }
}
