import { connectToAgent } from '../agent-client.ts';
import type { DefineCommand } from '../command.ts';

export const define: DefineCommand = (command, context) => {
  command.action(async () => {
    const agent = await connectToAgent(context);
    const { transfers } = await agent.call('status', {});
    const { formatTransfers } = await import('../format.ts');
    context.output.result({ transfers }, formatTransfers);
  });
};
