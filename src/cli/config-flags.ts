import { Option, type Command } from 'commander';
import { settings } from '../agent/config/settings.ts';
import type { FlagValues } from '../agent/config/config-sources.ts';
import type { CommandContext } from './command.ts';

/** Adds one flag for each setting that can be one; `--data` is there for every command. */
export function addConfigFlags(command: Command): Command {
  for (const { flag, kind, description, expected, default: value } of settings) {
    if (flag === 'data') continue;
    const [about] = description.split(/\.(?: |$)/);
    if (kind === 'boolean')
      command.addOption(new Option(value === true ? `--no-${flag}` : `--${flag}`, value === true ? `turns off: ${about}` : about));
    else {
      const option = new Option(
        `--${flag} <${placeholder(expected)}${kind === 'list' ? '...' : ''}>`,
        `${about ?? ''}${isChoice(expected) ? `: ${expected}` : ''}`,
      );
      // Only told: a default that commander knew of would look like one that was given.
      const shown = Array.isArray(value) ? value.join(', ') : typeof value === 'string' || typeof value === 'number' ? String(value) : '';
      command.addOption(shown === '' ? option : option.default(undefined, shown));
    }
  }
  return command;
}

/** `proven or vouched` */
function isChoice(expected: string): boolean {
  return /^[a-z]+(, [a-z]+)* or [a-z]+$/.test(expected);
}

/** What stands for the value, by what is expected of it. */
function placeholder(expected: string): string {
  const kinds: readonly (readonly [RegExp, string])[] = [
    [/HOST:PORT/, 'host:port'],
    [/multiaddr|addresses/, 'address'],
    [/URL/, 'url'],
    [/size/, 'size'],
    [/\bfile/, 'file'],
    [/directory|path/, 'path'],
    [/duration/, 'duration'],
    [/rate/, 'rate'],
    [/KEY/, 'key'],
    [/number from/, 'n'],
    [/registry names/, 'registry'],
    [/repository/, 'pattern'],
    [/name/, 'name'],
  ];
  return isChoice(expected) ? 'which' : (kinds.find(([words]) => words.test(expected))?.[1] ?? 'value');
}

/** The flags that were really given. */
export function flagsOf(command: Command, context: CommandContext): FlagValues {
  const given = Object.entries(command.opts<Record<string, unknown>>()).filter(([key]) => command.getOptionValueSource(key) === 'cli');
  return { ...Object.fromEntries(given), ...(context.data === undefined ? {} : { data: context.data }) };
}
