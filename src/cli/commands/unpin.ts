import { connectToAgent } from '../agent-client.ts';
import type { DefineCommand } from '../command.ts';
import { LayerswarmError } from '../../errors.ts';
import { checkReference } from '../given.ts';
import { onInterrupt } from '../interrupt.ts';
import { didAll, pinTable } from '../pin-table.ts';

export const define: DefineCommand = (command, context, setExitCode) => {
  command
    .argument('<reference>', 'a pinned image, as "layerswarm pin" lists it')
    .description('Keeps an image no longer. Nothing is removed by this: gc does that when its time has come.')
    .option('--everywhere', 'on every node of the swarm that allows it (allow.pin)')
    .option('--zone <zone>', 'on every node of that zone that allows it')
    .option('--dry-run', 'change nothing')
    .action(async (reference: string, flags: { everywhere?: boolean; zone?: string; dryRun?: boolean }) => {
      checkReference(reference);
      const agent = await connectToAgent(context);
      const report = await agent.call('unpin', { reference, ...flags }, { signal: onInterrupt() });
      if (!report.wasPinned)
        throw new LayerswarmError(
          'not-found',
          `${report.reference} is not pinned ${report.nodes === undefined ? 'here: "layerswarm pin" lists what is' : 'on any of these nodes'}`,
        );
      context.output.result(
        report,
        () =>
          `${report.reference} ${flags.dryRun === true ? 'would be' : 'is'} pinned no more${report.nodes === undefined ? '' : `\n${pinTable(report.nodes, false)}`}`,
      );
      if (!didAll(report.nodes)) setExitCode(1);
    });
};
