import type { Command } from 'commander';
import type { CommandEntry } from './commands.ts';
import { optionText } from './help.ts';

/** layerswarm(1) in the man macros of troff. */
export function manualPage(program: Command, entries: readonly CommandEntry[]): string {
  return [
    '.TH LAYERSWARM 1',
    '.SH NAME',
    'layerswarm \\- peer-to-peer distribution of container image layers',
    '.SH SYNOPSIS',
    '.B layerswarm',
    '.I command',
    '[options]',
    '.SH DESCRIPTION',
    text(
      'Brings container image layers to every host of a cluster, from peer to peer. Each host runs one agent; the other commands talk to it through its socket.',
    ),
    '.SH OPTIONS OF EVERY COMMAND',
    ...options(program),
    '.SH COMMANDS',
    ...program.commands.flatMap((command) => [
      ...section(command, ''),
      ...(entries
        .find(({ name }) => name === command.name())
        ?.examples.flatMap((example) => ['.PP', '.nf', text(`    ${example}`), '.fi']) ?? []),
      ...command.commands.flatMap((child) => section(child, `${command.name()} `)),
    ]),
    '.SH EXIT STATUS',
    text(
      '0 done, 1 failed, 2 wrong use or bad configuration, 3 not found, 4 the agent cannot be reached, 5 verification failed, 130 interrupted.',
    ),
    '.SH FILES',
    '.TP',
    text('/etc/layerswarm/layerswarm.yaml'),
    text('Configuration; "layerswarm config --example" prints it with every setting explained.'),
    '',
  ].join('\n');
}

function section(command: Command, prefix: string): string[] {
  const words = command.registeredArguments
    .map((argument) => (argument.required ? `<${argument.name()}>` : `[${argument.name()}]`))
    .join(' ');
  return [
    `.SS ${text(`${prefix}${command.name()} ${words}`).trimEnd()}`,
    text(command.description() || command.summary()),
    ...options(command),
  ];
}

function options(command: Command): string[] {
  return command.options.flatMap((option) => ['.TP', `.B ${text(option.flags)}`, text(optionText(option))]);
}

/** Lines that begin with a dot or an apostrophe would be commands. */
function text(line: string): string {
  return line
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/, '\\&$1');
}
