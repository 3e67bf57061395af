import type { DefineCommand } from '../command.ts';
import { addConfigFlags, flagsOf } from '../config-flags.ts';

export const define: DefineCommand = (command, context) => {
  addConfigFlags(command)
    .description('Runs this host\'s node until SIGTERM or SIGINT.')
    .action(async () => {
      const { loadConfig } = await import('../../agent/config.ts');
      await loadConfig({ flags: flagsOf(command, context), file: context.configFile });
    });
};
