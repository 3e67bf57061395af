import { Command } from 'commander';
import { addGlobalOptions, COMMANDS, describe } from '../command-list.ts';
import { Output } from '../output.ts';

export interface OptionEntry {
  /** `-n, --dry-run`, `--zone <name>`: as help shows it. */
  readonly flags: string;
  /** `--dry-run`, then `-n`. */
  readonly names: readonly string[];
  readonly takesValue: boolean;
  /** The only values that it takes, where there are such. */
  readonly choices: readonly string[];
  readonly description: string;
}

export interface ArgumentEntry {
  /** `<ref...>` */
  readonly usage: string;
  readonly choices: readonly string[];
  readonly description: string;
}

/** A command as its own module defines it: what completion and the manual are made of. */
export interface CommandEntry {
  /** `['disk', 'map']`; empty for the program itself. */
  readonly path: readonly string[];
  readonly summary: string;
  readonly description: string;
  readonly options: readonly OptionEntry[];
  readonly arguments: readonly ArgumentEntry[];
  readonly commands: readonly CommandEntry[];
}

/** The whole command line. Loads every command's module. */
export async function commandTree(): Promise<CommandEntry> {
  const program = addGlobalOptions(new Command('layerswarm'));
  const context = { output: new Output(() => false), data: undefined, configFile: undefined, debug: false };
  for (const { name, summary, load } of COMMANDS) {
    const command = program.command(name).summary(summary).description(describe(summary));
    (await load()).define(command, context, () => undefined);
  }
  return { ...entryOf(program, []), options: [...optionsOf(program), { flags: '-V, --version', names: ['--version', '-V'], takesValue: false, choices: [], description: 'print the version' }, HELP] };
}

/** Each command, parents first. */
export function* everyCommand(root: CommandEntry): Generator<CommandEntry> {
  yield root;
  for (const child of root.commands) yield* everyCommand(child);
}

const HELP: OptionEntry = { flags: '-h, --help', names: ['--help', '-h'], takesValue: false, choices: [], description: 'print help' };

function entryOf(command: Command, path: readonly string[]): CommandEntry {
  return {
    path,
    summary: command.summary() || command.description().replace(/\.$/, ''),
    description: command.description(),
    options: optionsOf(command),
    arguments: command.registeredArguments.map((argument): ArgumentEntry => {
      const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
      return { usage: argument.required ? `<${name}>` : `[${name}]`, choices: argument.argChoices ?? [], description: argument.description };
    }),
    commands: command.commands.map((child) => entryOf(child, [...path, child.name()])),
  };
}

function optionsOf(command: Command): OptionEntry[] {
  return command.options.map(({ flags, long, short, required, optional, argChoices, description }): OptionEntry => ({
    flags, names: [long, short].filter((name) => typeof name === 'string'), takesValue: required || optional, choices: argChoices ?? [], description,
  }));
}
