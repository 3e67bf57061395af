import type { DefineCommand } from '../command.ts';

export const define: DefineCommand = (command, { output }) => {
  command.description('Prints the manual page, which is made of the commands and their options.').action(async () => {
    const [{ addGlobalOptions, commandTree }, { manualPage }, { COMMANDS }] = await Promise.all([
      import('../command-tree.ts'),
      import('../manual-page.ts'),
      import('../commands.ts'),
    ]);
    const page = manualPage(await commandTree(addGlobalOptions), COMMANDS);
    output.result({ page }, (document) => document.page);
  });
};
