import { Argument } from 'commander';
import type { DefineCommand } from '../command.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

export const define: DefineCommand = (command, { output }) => {
  command
    .addArgument(new Argument('<shell>', 'whose completion to print').choices(SHELLS))
    .description('Prints what makes a shell complete commands and options: put it where that shell reads completions.')
    .action(async (shell: (typeof SHELLS)[number]) => {
      const [{ addGlobalOptions, commandTree }, { completionScript }] = await Promise.all([
        import('../command-tree.ts'),
        import('../completion-script.ts'),
      ]);
      const script = completionScript(shell, await commandTree(addGlobalOptions));
      output.result({ shell, script }, (document) => document.script);
    });
};
