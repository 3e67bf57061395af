import { connectToAgent } from '../agent-client.ts';
import type { DefineCommand } from '../command.ts';
import { onInterrupt } from '../interrupt.ts';
import { formatBytes } from '../../quantity.ts';
import type { VerifyReport } from '../../control/keep-operation.ts';

export const define: DefineCommand = (command, context, setExitCode) => {
  command
    .description(
      'Reads every blob in the store again and checks its digest; what is wrong goes to the quarantine and is fetched again from the swarm.',
    )
    .option('--no-repair', 'fetch nothing: what is wrong is fetched when it is needed')
    .option('--dry-run', 'change nothing: only look')
    .action(async ({ repair, dryRun }: { repair: boolean; dryRun?: boolean }) => {
      const agent = await connectToAgent(context);
      const report = await agent.call(
        'verify',
        { repair, dryRun },
        {
          signal: onInterrupt(),
          onProgress: ({ bytes, totalBytes }) => {
            if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${formatBytes(bytes)} of ${formatBytes(totalBytes)} read`);
          },
        },
      );
      if (process.stderr.isTTY) process.stderr.write('\r\x1b[2K');
      context.output.result(report, formatReport);
      if (report.unrepaired.length > 0) setExitCode(5);
    });
};

function formatReport({ blobs, bytes, corrupt, repaired, unrepaired }: VerifyReport): string {
  const checked = `${blobs} blobs, ${formatBytes(bytes)}: `;
  if (corrupt.length === 0) return `${checked}every digest is right`;
  return [
    `${checked}${corrupt.length} corrupt, ${repaired.length} repaired`,
    ...repaired.map((digest) => `${digest}  repaired`),
    ...unrepaired.map(({ digest, reason }) => `${digest}  corrupt: ${reason}`),
  ].join('\n');
}
