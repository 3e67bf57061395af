import { Command, CommanderError } from 'commander';
import { errorCode } from '../errors.ts';
import { version } from '../version.ts';
import { wasInterrupted } from './interrupt.ts';
import { exitCode, type ExitCode } from './exit-code.ts';
import type { CommandContext, DefineCommand } from './command.ts';
import { Output } from './output.ts';

/** Every command, with its summary; its module is loaded when it is used, so that help and small commands start at once. */
const COMMANDS: readonly { name: string; summary: string; load: () => Promise<{ define: DefineCommand }> }[] = [
  { name: 'agent', summary: 'run this host\'s node', load: () => import('./commands/agent.ts') },
  { name: 'pull', summary: 'bring images to this node', load: () => import('./commands/pull.ts') },
  { name: 'seed', summary: 'put an image into the origin, from a Docker Engine, an archive, a folder or a disk', load: () => import('./commands/seed.ts') },
  { name: 'replicate', summary: 'carry images to other registries: status, run', load: () => import('./commands/replicate.ts') },
  { name: 'status', summary: 'show this node and the swarm at a glance', load: () => import('./commands/status.ts') },
  { name: 'peers', summary: 'list the members that this node is connected to', load: () => import('./commands/peers.ts') },
  { name: 'images', summary: 'list the images that are here', load: () => import('./commands/images.ts') },
  { name: 'transfers', summary: 'list the downloads that are running', load: () => import('./commands/transfers.ts') },
  { name: 'why', summary: 'tell where the time of a pull went', load: () => import('./commands/why.ts') },
  { name: 'pin', summary: 'keep an image, here or in a number of copies', load: () => import('./commands/pin.ts') },
  { name: 'unpin', summary: 'keep an image no longer', load: () => import('./commands/unpin.ts') },
  { name: 'purge', summary: 'remove an image, here or everywhere', load: () => import('./commands/purge.ts') },
  { name: 'gc', summary: 'clean the store of what is old or over the limit', load: () => import('./commands/gc.ts') },
  { name: 'verify', summary: 'check every blob in the store', load: () => import('./commands/verify.ts') },
  { name: 'convert', summary: 'make an OCI image of a VM disk image', load: () => import('./commands/convert.ts') },
  { name: 'boot', summary: 'start a container of a VM disk image', load: () => import('./commands/boot.ts') },
  { name: 'disk', summary: 'show a VM disk image as files or as a folder', load: () => import('./commands/disk.ts') },
  { name: 'demo', summary: 'show a swarm on this machine alone', load: () => import('./commands/demo.ts') },
  { name: 'setup', summary: 'point a container runtime at the agent, or undo that', load: () => import('./commands/setup.ts') },
  { name: 'key', summary: 'make a swarm key file', load: () => import('./commands/key.ts') },
  { name: 'doctor', summary: 'say what is wrong with this host\'s node and its surroundings', load: () => import('./commands/doctor.ts') },
  { name: 'config', summary: 'check the configuration, or print its example or schema', load: () => import('./commands/config.ts') },
];

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

  program
    .description('Brings container image layers to every host of a cluster, from peer to peer.')
    .version(version, '-V, --version', 'print the version')
    .option('--data <dir>', 'data directory of the agent')
    .option('--config <file>', 'configuration file (YAML)')
    .option('--json', 'print one JSON document on stdout, and nothing else there')
    .option('--debug', 'print stack traces')
    .helpOption('-h, --help', 'print help')
    .helpCommand(false)
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .configureHelp({ showGlobalOptions: true });

  for (const { name, summary } of COMMANDS) program.command(name).summary(summary).description(`${summary[0]!.toUpperCase()}${summary.slice(1)}.`);
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
    // Whatever an interrupted command failed at, it ended because it was told to.
    return wasInterrupted() ? 130 : exitCode(errorCode(error));
  }
}

function usageError(error: CommanderError, output: Output): ExitCode {
  if (error.exitCode === 0) return 0;
  output.diagnostic(`${error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ')}; see "layerswarm --help"`);
  return 2;
}
