import { LayerswarmError } from '../../errors.ts';
import type { CommandContext, DefineCommand } from '../command.ts';
import { addConfigFlags, flagsOf } from '../config-flags.ts';

interface Options {
  example?: boolean;
  schema?: boolean;
}

/** All but the last, which the command fails with. */
function sayAll(problems: readonly string[], { output }: CommandContext): void {
  for (const problem of problems.slice(0, -1)) output.diagnostic(problem);
}

export const define: DefineCommand = (command, context) => {
  addConfigFlags(command)
    .description(
      'Checks the configuration, also the key, CA and password files that it names, says all that is wrong, and prints what an agent would run with as a configuration file.',
    )
    .option('--example', 'print the documented example instead')
    .option('--schema', 'print the JSON Schema of the file instead')
    .action(async (options: Options) => {
      if (options.example === true || options.schema === true) {
        const { configExample, configJsonSchema } = await import('../../agent/config/config-document.ts');
        process.stdout.write(options.schema === true ? configJsonSchema() : configExample());
        return;
      }
      const [{ problemsOf, readConfig }, { lookIntoFiles }, { effectiveConfig }, { stringify }] = await Promise.all([
        import('../../agent/config/config.ts'),
        import('../../agent/config/config-files.ts'),
        import('../../agent/config/config-document.ts'),
        import('yaml'),
      ]);
      const { config, raw } = await readConfig({ flags: flagsOf(command, context), file: context.configFile }).catch((error: unknown) => {
        const problems = problemsOf(error);
        sayAll(problems, context);
        throw problems.length > 1 ? new LayerswarmError('config-invalid', problems.at(-1)!, { cause: error }) : error;
      });
      const { problems, warnings } = await lookIntoFiles(config);
      for (const warning of [...config.warnings, ...warnings]) context.output.diagnostic(warning);
      sayAll(problems, context);
      if (problems[0] !== undefined) throw new LayerswarmError('config-invalid', problems.at(-1)!);
      context.output.result(effectiveConfig(raw, config), (document) => stringify(document));
    });
};
