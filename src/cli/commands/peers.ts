import { connectToAgent } from '../agent-client.ts';
import type { DefineCommand } from '../command.ts';

export const define: DefineCommand = (command, context) => {
  command.action(async () => {
    const agent = await connectToAgent(context);
    const { peers } = await agent.call('status', {});
    const { formatPeers } = await import('../format.ts');
    context.output.result({ peers }, formatPeers);
  });
};
