import { Command, CommanderError } from 'commander';
import { errorCode } from '../errors.ts';
import { version } from '../version.ts';
import { exitCode, type ExitCode } from './exit-code.ts';
import type { CommandContext } from './command.ts';
import { addGlobalOptions, COMMANDS, describe } from './command-list.ts';
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
  const output = new Output(() => program.opts<GlobalOptions>().json === true);
  let result: ExitCode = 0;

  addGlobalOptions(program)
    .version(version, '-V, --version', 'print the version')
    .helpCommand(false)
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .configureHelp({ showGlobalOptions: true });

  for (const { name, summary } of COMMANDS) program.command(name).summary(summary).description(describe(summary));
  program.hook('preSubcommand', async (_program, command) => {
    const { load } = COMMANDS.find(({ name }) => name === command.name())!;
    const { define } = await load();
    const context: CommandContext = {
      output,
      get data() { return program.opts<GlobalOptions>().data; },
      get configFile() { return program.opts<GlobalOptions>().config; },
      get debug() { return program.opts<GlobalOptions>().debug === true; },
    };
    define(command, context, (code) => { result = code; });
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
    return exitCode(errorCode(error));
  }
}

function usageError(error: CommanderError, output: Output): ExitCode {
  if (error.exitCode === 0) return 0;
  output.diagnostic(`${error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ')}; see "layerswarm --help"`);
  return 2;
}
