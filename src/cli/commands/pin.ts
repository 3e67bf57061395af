import { InvalidArgumentError } from 'commander';
import { formatBytes } from '../../quantity.ts';
import { LayerswarmError } from '../../errors.ts';
import type { PinReport, PinStatus } from '../../control/keep-operation.ts';
import { connectToAgent } from '../agent-client.ts';
import type { DefineCommand } from '../command.ts';
import { checkReference } from '../given.ts';
import { onInterrupt } from '../interrupt.ts';
import { didAll, pinTable } from '../pin-table.ts';
import { table } from '../table.ts';

interface Flags {
  readonly copies?: number;
  readonly everywhere?: boolean;
  readonly zone?: string;
  readonly dryRun?: boolean;
}

export const define: DefineCommand = (command, context, setExitCode) => {
  command
    .argument('[reference]', 'an image; without one, the pins are listed')
    .description("Keeps an image: gc and the store's limits leave it alone. A tag that moves takes its pin along.")
    .option('--copies <n>', 'see to it that so many nodes of the swarm hold it, this one among them', parseCopies)
    .option('--everywhere', 'on every node of the swarm that allows it (allow.pin); what is not there is brought by "pull --all"')
    .option('--zone <zone>', 'on every node of that zone that allows it')
    .option('--dry-run', 'change nothing')
    .action(async (reference: string | undefined, flags: Flags) => {
      if (flags.copies !== undefined && (flags.everywhere === true || flags.zone !== undefined))
        throw new LayerswarmError(
          'usage',
          'expected --copies, or --everywhere or --zone, received both: --copies lets the nodes choose who holds the image',
        );
      if (reference !== undefined) checkReference(reference);
      const agent = await connectToAgent(context);
      if (reference === undefined) {
        context.output.result(await agent.call('pins', {}), formatPins);
        return;
      }
      const report = await agent.call('pin', { reference, ...flags }, { signal: onInterrupt() });
      context.output.result(report, () => formatPin(report, flags.dryRun === true));
      if (!didAll(report.nodes)) setExitCode(1);
    });
};

function formatPin({ reference, copies, holders, bytes, complete, nodes }: PinReport, dryRun: boolean): string {
  if (nodes !== undefined)
    return `${reference} ${dryRun ? 'would be' : 'is'} pinned on ${nodes.filter(({ state }) => state === 'done').length} of ${nodes.length} nodes\n${pinTable(nodes, true)}`;
  const here = complete ? `${formatBytes(bytes)} here` : `not all of it is here: bring the rest with "layerswarm pull ${reference}"`;
  const held =
    copies === null ? '' : dryRun ? `, to be kept in ${copies} copies` : `, held by ${holders ?? 0} nodes, at least ${copies} are wanted`;
  return `${reference} ${dryRun ? 'would be' : 'is'} pinned, ${here}${held}`;
}

function formatPins({ pins }: { readonly pins: readonly PinStatus[] }): string {
  return table(
    [
      { label: 'REFERENCE', value: ({ reference }) => reference },
      { label: 'COPIES', value: ({ copies }) => (copies === null ? '' : String(copies)), align: 'right' },
      { label: 'HELD BY', value: ({ holders }) => (holders === null ? '' : String(holders)), align: 'right' },
    ],
    pins,
    'nothing is pinned',
  );
}

function parseCopies(value: string): number {
  const copies = Number(value);
  if (!Number.isInteger(copies) || copies < 1 || copies > 10_000) throw new InvalidArgumentError('Expected a number from 1 to 10000.');
  return copies;
}
