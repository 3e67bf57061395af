import { LayerswarmError } from '../../errors.ts';
import type { DefineCommand } from '../command.ts';
import { onInterrupt } from '../interrupt.ts';

const MAX_NODES = 32;
/** Far beyond what it takes on a slow machine; without it something that hangs would hang for ever. */
const TIME_LIMIT_MS = 180_000;

export const define: DefineCommand = (command, { output }) => {
  command
    .description('Shows a swarm on this machine alone: an origin and some nodes, which pull an image made on the spot at the same moment.')
    .option('--nodes <n>', 'how many nodes', '4')
    .action(async (options: { nodes: string }) => {
      const nodes = Number(options.nodes);
      if (!Number.isInteger(nodes) || nodes < 1 || nodes > MAX_NODES) {
        throw new LayerswarmError('usage', `--nodes: expected a number from 1 to ${MAX_NODES}, received "${options.nodes}"`);
      }
      const { runDemo } = await import('../demo/demo.ts');
      const signal = AbortSignal.any([onInterrupt(), AbortSignal.timeout(TIME_LIMIT_MS)]);
      const report = await runDemo({
        nodes,
        signal,
        say: (line) => {
          if (!output.json) process.stdout.write(`${line}\n`);
        },
      });
      const { demoPicture } = await import('../demo/demo-picture.ts');
      output.result(report, (document) => `\n${demoPicture(document)}`);
      const wrong = report.nodes.filter(({ verified }) => !verified).map(({ name }) => name);
      if (wrong.length > 0) throw new LayerswarmError('verification-failed', `${wrong.join(', ')} did not verify every digest`);
    });
};
