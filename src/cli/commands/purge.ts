import { formatBytes } from '../../quantity.ts';
import type { PurgeReport } from '../../control/keep-operation.ts';
import { connectToAgent } from '../agent-client.ts';
import type { DefineCommand } from '../command.ts';
import { nodeName, shortAddress, shortDigest } from '../format.ts';
import { checkReference } from '../given.ts';
import { onInterrupt } from '../interrupt.ts';
import { table } from '../table.ts';

export const define: DefineCommand = (command, context, setExitCode) => {
  command
    .argument('<reference>', 'an image; by digest, registry.example/team/app@sha256:…, where its tag is gone')
    .description(
      'Removes an image: manifests, tags, pins, and every blob that no other image needs. Remove it from the registry first, or it can be pulled again.',
    )
    .option('--everywhere', 'on every node of the swarm that allows it (allow.purge)')
    .option('--zone <zone>', 'on every node of that zone that allows it')
    .option('--dry-run', 'say what would go')
    .action(async (reference: string, flags: { everywhere?: boolean; zone?: string; dryRun?: boolean }) => {
      checkReference(reference);
      const agent = await connectToAgent(context);
      const report = await agent.call('purge', { reference, ...flags }, { signal: onInterrupt() });
      context.output.result(report, formatPurge);
      // An image that leaked is not gone while one node still has it.
      if (report.nodes.some(({ state, heldByRuntime }) => state !== 'done' || heldByRuntime > 0)) setExitCode(1);
    });
};

function formatPurge({ reference, digest, dryRun, nodes }: PurgeReport): string {
  return [
    `${reference}  ${shortDigest(digest)}${dryRun ? '  (dry run: nothing was removed)' : ''}`,
    table(
      [
        { label: 'NODE', value: nodeName },
        { label: 'ADDRESS', value: ({ address }) => shortAddress(address) },
        { label: 'STATE', value: ({ state }) => state },
        {
          label: dryRun ? 'WOULD REMOVE' : 'REMOVED',
          value: ({ state, removed }) => (state === 'done' ? String(removed) : ''),
          align: 'right',
        },
        { label: 'BYTES', value: ({ state, bytes }) => (state === 'done' ? formatBytes(bytes) : ''), align: 'right' },
        { label: 'TAGS', value: ({ state, tags }) => (state === 'done' ? String(tags) : ''), align: 'right' },
        { label: 'NEEDED BY OTHERS', value: ({ state, kept }) => (state === 'done' ? String(kept) : ''), align: 'right' },
        { label: 'IN CONTAINERD', value: ({ state, heldByRuntime }) => (state === 'done' ? String(heldByRuntime) : ''), align: 'right' },
        { label: 'REASON', value: ({ reason }) => reason ?? '' },
      ],
      nodes,
      'no node',
    ),
    ...(nodes.some(({ heldByRuntime }) => heldByRuntime > 0)
      ? [
          'containerd keeps what it holds, and the node goes on serving it from there: remove the image on those hosts too, with "crictl rmi" or "ctr images rm"',
        ]
      : []),
  ].join('\n');
}
