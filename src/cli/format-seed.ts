import { formatBytes } from '../quantity.ts';
import type { SeedResult } from '../control/seed-operation.ts';
import { formatSeconds, shortDigest } from './format.ts';
import { formatPrefetch } from './wave-view.ts';

const IDENTITIES: Readonly<Record<SeedResult['identity'], string>> = {
  'as-is': 'digests as in the source',
  origin: 'the origin has it already',
  registry: 'digests of the registry that it came from',
  'seeded-before': 'digests as it was seeded before',
  engine: "digests of the Docker Engine's push",
  saved: 'uncompressed layers, as the Docker Engine saves them',
};

export function formatSeed(result: SeedResult): string {
  const { reference, digest, identity, layers, bytes, uploaded, mounted, present, dryRun, seconds, nodes } = result;
  return [
    `${reference}  ${digest}`,
    `  ${formatBytes(bytes)}, ${IDENTITIES[identity]}${dryRun ? '' : `, in ${formatSeconds(seconds)}`}`,
    `  origin ${dryRun ? 'would be sent' : 'was sent'}  ${formatBytes(uploaded.bytes)} in ${uploaded.blobs} blobs; ${mounted.blobs} linked, ${present.blobs} there already; ${tagText(result)}`,
    ...layers.map(({ digest, size }) => `  layer  ${digest}  ${formatBytes(size)}`),
    ...(nodes === undefined ? [] : ['', formatPrefetch({ reference, digest, nodes, complete: result.complete === true })]),
  ].join('\n');
}

function tagText({ tag, digest, dryRun }: SeedResult): string {
  switch (tag) {
    case 'new':
      return dryRun ? 'the tag would be new' : 'the tag is new';
    case 'move':
      return dryRun ? 'the tag would move' : 'the tag moved';
    case 'same':
    case 'keep':
    case 'none':
      return `the tag is ${shortDigest(digest)} already`;
    default:
      return tag satisfies never;
  }
}
