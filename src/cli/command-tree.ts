import { Command } from 'commander';
import { COMMANDS } from './commands.ts';
import { Output } from './output.ts';

/** The whole program as it is described: every command with its options and its own commands, none of which is run. */
export async function commandTree(globals: (program: Command) => void): Promise<Command> {
  const program = new Command('layerswarm');
  globals(program);
  for (const { name, summary, load } of COMMANDS) {
    const command = program.command(name).summary(summary);
    (await load()).define(
      command,
      { output: new Output(() => false), data: undefined, configFile: undefined, debug: false },
      () => undefined,
    );
  }
  return program;
}

/** What every command takes. */
export function addGlobalOptions(program: Command): Command {
  return program
    .option('--data <dir>', 'data directory of the agent')
    .option('--config <file>', 'configuration file (YAML)')
    .option('--json', 'print one JSON document on stdout, and nothing else there')
    .option('--debug', 'print stack traces');
}
