import { Command, CommanderError } from 'commander';
import { errorCode, LayerswarmError } from '../errors.ts';
import { version } from '../version.ts';
import { wasInterrupted } from './interrupt.ts';
import { exitCode, type ExitCode } from './exit-code.ts';
import type { CommandContext } from './command.ts';
import { addGlobalOptions } from './command-tree.ts';
import { COMMANDS } from './commands.ts';
import { helpText, optionText } from './help.ts';
import { Output } from './output.ts';

interface GlobalOptions {
  data?: string;
  config?: string;
  json?: boolean;
  debug?: boolean;
}

/** Runs one command line, writes what it has to say, and gives the exit code. Never throws. */
export async function run(args: readonly string[]): Promise<ExitCode> {
  const program = new Command('layerswarm');
  const output = new Output(() => program.opts<GlobalOptions>().json === true || args.includes('--json'));
  let result: ExitCode = 0;

  addGlobalOptions(program)
    .description('Brings container image layers to every host of a cluster, from peer to peer.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand(false)
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .configureHelp({ showGlobalOptions: true, optionDescription: optionText });

  for (const { name, summary, examples } of COMMANDS)
    program
      .command(name)
      .summary(summary)
      .description(`${summary[0]!.toUpperCase()}${summary.slice(1)}.`)
      .addHelpText('after', helpText(examples));
  program.hook('preSubcommand', async (_program, command) => {
    const { load } = COMMANDS.find(({ name }) => name === command.name())!;
    const { define } = await load();
    const context: CommandContext = {
      output,
      get data() {
        return program.opts<GlobalOptions>().data;
      },
      get configFile() {
        return program.opts<GlobalOptions>().config;
      },
      get debug() {
        return program.opts<GlobalOptions>().debug === true;
      },
    };
    define(command, context, (code) => {
      result = code;
    });
  });

  try {
    // "layerswarm help pull" and "layerswarm pull --help" are the same; only the second loads the command.
    const [first, ...rest] = args;
    const line = first === 'help' ? [...rest, '--help'] : first === undefined ? ['--help'] : [...args];
    await program.parseAsync(line, { from: 'user' });
    return result;
  } catch (error) {
    if (error instanceof CommanderError) return usageError(error, output);
    output.error(error, program.opts<GlobalOptions>().debug === true);
    // Whatever an interrupted command failed at, it ended because it was told to.
    return wasInterrupted() ? 130 : exitCode(errorCode(error));
  }
}

function usageError(error: CommanderError, output: Output): ExitCode {
  if (error.exitCode === 0) return 0;
  output.error(
    new LayerswarmError('usage', `${error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ')}; see "layerswarm --help"`),
    false,
  );
  return 2;
}
