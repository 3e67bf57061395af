import { setTimeout as delay } from 'node:timers/promises';
import { connectToAgent } from '../agent-client.ts';
import type { DefineCommand } from '../command.ts';
import { onInterrupt } from '../interrupt.ts';
import { LayerswarmError } from '../../errors.ts';

const WATCH_INTERVAL_MS = 1000;

export const define: DefineCommand = (command, context) => {
  command
    .description('Shows this node and the swarm at a glance.')
    .option('-w, --watch', 'show it again each second, until interrupted')
    .action(async (options: { watch?: boolean }) => {
      if (options.watch === true && context.output.json) {
        throw new LayerswarmError('usage', '--json prints one document, so it does not go with --watch: read /api/v1/events of the status endpoint instead');
      }
      const agent = await connectToAgent(context);
      const { formatStatus } = await import('../format.ts');
      if (options.watch !== true) {
        context.output.result(await agent.call('status', {}), formatStatus);
        return;
      }
      const signal = onInterrupt();
      while (!signal.aborted) {
        const text = formatStatus(await agent.call('status', {}));
        process.stdout.write(process.stdout.isTTY ? `\x1b[H\x1b[2J${text}\n` : `${text}\n\n`);
        await delay(WATCH_INTERVAL_MS, undefined, { signal }).catch(() => undefined);
      }
    });
};
