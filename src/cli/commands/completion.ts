import { Argument } from 'commander';
import type { DefineCommand } from '../command.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

export const define: DefineCommand = (command) => {
  command
    .addArgument(new Argument('<shell>', 'whose completion to print').choices(SHELLS))
    .description('Prints a script that completes command lines of layerswarm: source <(layerswarm completion bash), likewise for zsh; layerswarm completion fish | source.')
    .action(async (shell: typeof SHELLS[number]) => {
      const [{ commandTree }, { completionScript }] = await Promise.all([import('../reference/command-tree.ts'), import('../reference/completion.ts')]);
      process.stdout.write(completionScript(shell, await commandTree()));
    });
};
