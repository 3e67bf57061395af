import { InvalidArgumentError } from 'commander';
import { formatBytes, parseDuration, parseSize } from '../../quantity.ts';
import type { GcSummary } from '../../control/keep-operation.ts';
import { connectToAgent } from '../agent-client.ts';
import type { DefineCommand } from '../command.ts';
import { shortDigest } from '../format.ts';

export const define: DefineCommand = (command, context) => {
  command
    .description(
      'Removes what is old, idle or over the limit; never what is pinned, in use, or held as embedded origin. The agent does it by itself too (store.gcInterval).',
    )
    .option(
      '--max-age <duration>',
      'blobs that nobody used for so long, such as 30d; store.maxAge by default',
      parsed(parseDuration, 'Expected a duration such as 30d.'),
    )
    .option(
      '--max-bytes <size>',
      'until the store has at most so much, such as 100GiB; store.maxBytes by default',
      parsed(parseSize, 'Expected a size such as 100GiB.'),
    )
    .option('--dry-run', 'say what would go')
    .action(async ({ maxAge, maxBytes, dryRun }: { maxAge?: number; maxBytes?: number; dryRun?: boolean }) => {
      const agent = await connectToAgent(context);
      context.output.result(await agent.call('gc', { maxAgeMs: maxAge, targetBytes: maxBytes, dryRun }), formatGc);
    });
};

function formatGc({ dryRun, removed, bytes }: GcSummary): string {
  const lines = removed
    .slice(0, 50)
    .map((blob) => `${shortDigest(blob.digest)}  ${formatBytes(blob.bytes)}${blob.kind === 'partial' ? '  unfinished' : ''}`);
  const more = removed.length > lines.length ? [`and ${removed.length - lines.length} more`] : [];
  return [...lines, ...more, `${removed.length} blobs, ${formatBytes(bytes)} ${dryRun ? 'would go' : 'removed'}`].join('\n');
}

function parsed(parse: (text: string) => number | undefined, message: string): (text: string) => number {
  return (text) => {
    const value = parse(text);
    if (value === undefined) throw new InvalidArgumentError(message);
    return value;
  };
}
