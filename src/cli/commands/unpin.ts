import { connectToAgent } from '../agent-client.ts';
import type { DefineCommand } from '../command.ts';
import { LayerswarmError } from '../../errors.ts';

export const define: DefineCommand = (command, context) => {
  command
    .argument('<reference>', 'a pinned image, as "layerswarm pin" lists it')
    .description('Keeps an image no longer. Nothing is removed by this: gc does that when its time has come.')
    .option('--dry-run', 'change nothing')
    .action(async (reference: string, { dryRun }: { dryRun?: boolean }) => {
      const agent = await connectToAgent(context);
      const report = await agent.call('unpin', { reference, dryRun });
      if (!report.wasPinned) throw new LayerswarmError('not-found', `${report.reference} is not pinned here: "layerswarm pin" lists what is`);
      context.output.result(report, () => `${report.reference} ${dryRun === true ? 'would be' : 'is'} pinned no more`);
    });
};
