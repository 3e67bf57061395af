import type { DefineCommand } from '../command.ts';
import { addConfigFlags, flagsOf } from '../config-flags.ts';

interface Options {
  example?: boolean;
  schema?: boolean;
}

export const define: DefineCommand = (command, context) => {
  addConfigFlags(command)
    .description('Checks the configuration and prints what an agent would run with.')
    .option('--example', 'print the documented example instead')
    .option('--schema', 'print the JSON Schema of the file instead')
    .action(async (options: Options) => {
      if (options.example === true || options.schema === true) {
        const { configExample, configJsonSchema } = await import('../../agent/config-document.ts');
        process.stdout.write(options.schema === true ? configJsonSchema() : configExample());
        return;
      }
      const { loadConfig } = await import('../../agent/config.ts');
      const { warnings, ...config } = await loadConfig({ flags: flagsOf(command, context), file: context.configFile });
      for (const warning of warnings) context.output.diagnostic(warning);
      const { stringify } = await import('yaml');
      context.output.result(config, (document) => stringify(document));
    });
};
