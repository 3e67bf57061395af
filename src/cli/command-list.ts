import type { Command } from 'commander';
import type { DefineCommand } from './command.ts';

/** Every command, with its summary, in the order of the help. Its module is loaded when it is used, so that help and small commands start at once. */
export const COMMANDS: readonly { name: string; summary: string; load: () => Promise<{ define: DefineCommand }> }[] = [
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
  { name: 'token', summary: 'print a string with which another host joins the swarm', load: () => import('./commands/token.ts') },
  { name: 'join', summary: 'make this host a member of a swarm', load: () => import('./commands/join.ts') },
  { name: 'uninstall', summary: 'undo every setup on this host', load: () => import('./commands/uninstall.ts') },
  { name: 'key', summary: 'make a swarm key file', load: () => import('./commands/key.ts') },
  { name: 'config', summary: 'check the configuration, or print its example or schema', load: () => import('./commands/config.ts') },
  { name: 'completion', summary: 'print what completes command lines in a shell', load: () => import('./commands/completion.ts') },
  { name: 'version', summary: 'print the version, and what the program runs on', load: () => import('./commands/version.ts') },
];

/** The sentence that stands for a command until its module says more. */
export function describe(summary: string): string {
  return `${summary[0]!.toUpperCase()}${summary.slice(1)}.`;
}

export function addGlobalOptions(program: Command): Command {
  return program
    .description('Brings container image layers to every host of a cluster, from peer to peer.')
    .option('--data <dir>', 'data directory of the agent')
    .option('--config <file>', 'configuration file (YAML)')
    .option('--json', 'print one JSON document on stdout, and nothing else there')
    .option('--debug', 'print stack traces')
    .helpOption('-h, --help', 'print help');
}
