import { Option, type Command } from 'commander';
import { settings } from '../agent/config-schema.ts';
import type { FlagValues } from '../agent/config-sources.ts';
import type { CommandContext } from './command.ts';

/** Adds one flag for each setting that can be one; `--data` is there for every command. */
export function addConfigFlags(command: Command): Command {
  for (const { flag, kind, description, default: value } of settings) {
    if (flag === 'data') continue;
    const [about] = description.split(/\.(?: |$)/);
    if (kind === 'boolean') command.addOption(new Option(value === true ? `--no-${flag}` : `--${flag}`, value === true ? `turns off: ${about}` : about));
    else command.addOption(new Option(`--${flag} <${kind === 'list' ? 'value...' : 'value'}>`, about));
  }
  return command;
}

/** The flags that were really given. */
export function flagsOf(command: Command, context: CommandContext): FlagValues {
  const given = Object.entries(command.opts<Record<string, unknown>>()).filter(([key]) => command.getOptionValueSource(key) === 'cli');
  return { ...Object.fromEntries(given), ...(context.data === undefined ? {} : { data: context.data }) };
}
