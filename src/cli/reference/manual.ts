import { version } from '../../version.ts';
import { type CommandEntry, everyCommand, type OptionEntry } from './command-tree.ts';

/** layerswarm(1) in the man macros, made of the commands as they are. `date`: `YYYY-MM-DD`. */
export function manualPage(program: CommandEntry, date: string): string {
  const commands = [...everyCommand(program)].filter(({ commands: children, path }) => path.length > 0 && children.length === 0);
  return [
    `.TH LAYERSWARM 1 "${date}" "layerswarm ${version}" "User Commands"`,
    '.SH NAME', `layerswarm \\- ${text('peer-to-peer distribution of container image layers')}`,
    '.SH SYNOPSIS', '.B layerswarm', '.I command', '[options]',
    '.SH DESCRIPTION', text(program.description), 'Each host runs one agent, which fetches layers from many members at once, proves them, and serves them to the container runtimes of the host.',
    '.SH OPTIONS', text('These go with every command.'), ...program.options.flatMap(optionLines),
    '.SH COMMANDS', ...commands.flatMap(commandLines),
    '.SH EXIT STATUS',
    ...[['0', 'done'], ['1', 'failed'], ['2', 'wrong use or bad configuration'], ['3', 'not found'], ['4', 'the agent cannot be reached'], ['5', 'verification failed'], ['130', 'interrupted']].flatMap(([code, meaning]) => ['.TP', `.B ${code}`, meaning!]),
    '.SH ENVIRONMENT', text('LAYERSWARM_CONFIG names the configuration file. Each setting has a variable of its own: see layerswarm config --example.'),
    '.SH FILES',
    '.TP', '.I /etc/layerswarm/layerswarm.yaml', 'configuration of the agent',
    '.TP', '.I /etc/layerswarm/swarm.key', 'key of the swarm, mode 0600',
    '.TP', '.I /var/lib/layerswarm', 'store and identity of the agent',
    '.SH SEE ALSO', text('containerd-config.toml(5), containers-registries.conf(5), dockerd(8)'),
  ].join('\n').concat('\n');
}

function commandLines({ path, description, options, arguments: args }: CommandEntry): string[] {
  return [
    `.SS ${text(['layerswarm', ...path, ...args.map(({ usage }) => usage)].join(' '))}`,
    text(description),
    ...args.filter((argument) => argument.description !== '').flatMap(({ usage, choices, description: about }) => ['.TP', `.I ${text(usage)}`, text(`${about}${choices.length === 0 ? '' : ` (${choices.join(', ')})`}`)]),
    ...options.flatMap(optionLines),
  ];
}

function optionLines({ flags, description }: OptionEntry): string[] {
  return ['.TP', `.B ${text(flags)}`, text(description)];
}

/** Backslashes, hyphens, and dots at the beginning of a line mean something to troff. */
function text(line: string): string {
  return line.replaceAll('\\', '\\e').replaceAll('-', '\\-').replace(/^([.'])/, '\\&$1').replaceAll('\n', ' ');
}
