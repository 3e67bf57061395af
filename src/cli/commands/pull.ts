import { connectToAgent } from '../agent-client.ts';
import type { DefineCommand } from '../command.ts';
import { onInterrupt } from '../interrupt.ts';
import type { Receipt } from '../../status/status-document.ts';

export const define: DefineCommand = (command, { output, ...rest }) => {
  command
    .argument('<reference...>', 'images, such as team/app:1.0 or registry.example/team/app@sha256:…')
    .description('Brings images to this node, through the swarm.')
    .option('--platform <platform>', 'which images of an index: linux/arm64, say, or all; this host\'s own by default')
    .action(async (references: string[], options: { platform?: string }) => {
      const agent = await connectToAgent({ output, ...rest });
      const [{ formatReceipt }, { progressView }] = await Promise.all([import('../format.ts'), import('../progress-bars.ts')]);
      const signal = onInterrupt();
      const receipts: Receipt[] = [];
      for (const reference of references) {
        const view = progressView(process.stderr);
        try {
          const { receipt } = await agent.call('pull', { reference, platform: options.platform }, { signal, onProgress: (progress) => view.show(progress) });
          receipts.push(receipt);
        } finally {
          view.end();
        }
      }
      const [first, ...others] = receipts;
      const text = (): string => receipts.map(formatReceipt).join('\n');
      output.result(first !== undefined && others.length === 0 ? first : { receipts }, text);
    });
};
