import { connectToAgent } from '../agent-client.ts';
import type { DefineCommand } from '../command.ts';
import { onInterrupt } from '../interrupt.ts';
import type { VerifyReport } from '../../control/operations.ts';

export const define: DefineCommand = (command, context, setExitCode) => {
  command
    .description('Reads every blob in the store again and checks its digest; what is wrong is removed, and fetched anew when it is needed.')
    .action(async () => {
      const agent = await connectToAgent(context);
      const { formatBytes } = await import('../../agent/quantity.ts');
      const report = await agent.call('verify', {}, {
        signal: onInterrupt(),
        onProgress: ({ bytes, totalBytes }) => {
          if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${formatBytes(bytes)} of ${formatBytes(totalBytes)} read`);
        },
      });
      if (process.stderr.isTTY) process.stderr.write('\r\x1b[2K');
      context.output.result(report, (document) => formatReport(document, formatBytes));
      if (report.corrupt.length > 0) setExitCode(5);
    });
};

function formatReport({ blobs, bytes, corrupt }: VerifyReport, formatBytes: (bytes: number) => string): string {
  const checked = `${blobs} blobs, ${formatBytes(bytes)}: `;
  return corrupt.length === 0 ? `${checked}every digest is right` : `${checked}${corrupt.length} were corrupt and are removed\n${corrupt.join('\n')}`;
}
