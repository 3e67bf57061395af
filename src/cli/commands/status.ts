import { setTimeout as delay } from 'node:timers/promises';
import { connectToAgent } from '../agent-client.ts';
import type { DefineCommand } from '../command.ts';
import { onInterrupt } from '../interrupt.ts';
import { LayerswarmError } from '../../errors.ts';
import type { Screen } from '../status-screen.ts';

const WATCH_INTERVAL_MS = 1000;
/** A screen of its own, without a cursor; afterwards the terminal is as it was. */
const [ENTER, LEAVE] = ['\x1b[?1049h\x1b[?25l', '\x1b[?25h\x1b[?1049l'];

export const define: DefineCommand = (command, context) => {
  command
    .description('Shows the swarm and this node: on a terminal one screen, elsewhere all there is.')
    .option('-w, --watch', 'show it again each second, until interrupted')
    .action(async (options: { watch?: boolean }) => {
      if (options.watch === true && context.output.json) {
        throw new LayerswarmError(
          'usage',
          '--json prints one document, so it does not go with --watch: read /api/v1/events of the status endpoint instead',
        );
      }
      const agent = await connectToAgent(context);
      const [{ formatStatus }, { statusScreen }] = await Promise.all([import('../format.ts'), import('../status-screen.ts')]);
      const { stdout } = process;
      if (options.watch !== true) {
        context.output.result(await agent.call('status', {}), (status) =>
          stdout.isTTY ? statusScreen(status, screenOf(stdout)) : formatStatus(status),
        );
        return;
      }
      const signal = onInterrupt();
      if (stdout.isTTY) stdout.write(ENTER);
      try {
        while (!signal.aborted) {
          const status = await agent.call('status', {});
          // Each line is written over the one before and its rest cleared, so that nothing flickers or scrolls.
          if (stdout.isTTY)
            stdout.write(
              `\x1b[H${statusScreen(status, screenOf(stdout))
                .split('\n')
                .map((line) => `${line}\x1b[K`)
                .join('\n')}\x1b[J`,
            );
          else stdout.write(`${formatStatus(status)}\n\n`);
          await delay(WATCH_INTERVAL_MS, undefined, { signal }).catch(() => undefined);
        }
      } finally {
        if (stdout.isTTY) stdout.write(LEAVE);
      }
    });
};

function screenOf(stream: NodeJS.WriteStream): Screen {
  return { columns: stream.columns ?? 80, rows: stream.rows ?? 24, color: (process.env['NO_COLOR'] ?? '') === '' };
}
