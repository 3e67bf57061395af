import type { DefineCommand } from './command.ts';

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  /** Command lines, for its help. */
  readonly examples: readonly string[];
  readonly load: () => Promise<{ define: DefineCommand }>;
}

/** Every command, with its summary; its module is loaded when it is used, so that help and small commands start at once. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'agent',
    examples: ['layerswarm agent --swarm-key /etc/layerswarm/swarm.key --origin https://registry.example:5000'],
    summary: "run this host's node",
    load: () => import('./commands/agent.ts'),
  },
  {
    name: 'pull',
    examples: ['layerswarm pull registry.example:5000/team/app:1.0', 'layerswarm pull --all --file images.txt'],
    summary: 'bring images to this node',
    load: () => import('./commands/pull.ts'),
  },
  {
    name: 'seed',
    examples: ['layerswarm seed docker://team/app:1 --everywhere', 'layerswarm seed tar:rootfs.tar.gz --as team/base:12'],
    summary: 'put an image into the origin, from a Docker Engine, an archive, a folder or a disk',
    load: () => import('./commands/seed.ts'),
  },
  {
    name: 'replicate',
    examples: ['layerswarm replicate run --dry-run', 'layerswarm replicate status'],
    summary: 'carry images to other registries: status, run',
    load: () => import('./commands/replicate.ts'),
  },
  {
    name: 'status',
    examples: ['layerswarm status --watch'],
    summary: 'show this node and the swarm at a glance',
    load: () => import('./commands/status.ts'),
  },
  {
    name: 'peers',
    examples: ['layerswarm peers --json'],
    summary: 'list the members that this node is connected to',
    load: () => import('./commands/peers.ts'),
  },
  { name: 'images', examples: ['layerswarm images'], summary: 'list the images that are here', load: () => import('./commands/images.ts') },
  {
    name: 'transfers',
    examples: ['layerswarm transfers'],
    summary: 'list the downloads that are running',
    load: () => import('./commands/transfers.ts'),
  },
  {
    name: 'why',
    examples: ['layerswarm why team/app:1.0 --slowest'],
    summary: 'tell where the time of a pull went',
    load: () => import('./commands/why.ts'),
  },
  {
    name: 'pin',
    examples: ['layerswarm pin team/app:1.0 --copies 2', 'layerswarm pin'],
    summary: 'keep an image, here or in a number of copies',
    load: () => import('./commands/pin.ts'),
  },
  {
    name: 'unpin',
    examples: ['layerswarm unpin team/app:1.0 --everywhere'],
    summary: 'keep an image no longer',
    load: () => import('./commands/unpin.ts'),
  },
  {
    name: 'purge',
    examples: ['layerswarm purge --everywhere team/app:1.0'],
    summary: 'remove an image, here or everywhere',
    load: () => import('./commands/purge.ts'),
  },
  {
    name: 'gc',
    examples: ['layerswarm gc --max-age 30d --max-bytes 100GiB --dry-run'],
    summary: 'clean the store of what is old or over the limit',
    load: () => import('./commands/gc.ts'),
  },
  { name: 'verify', examples: ['layerswarm verify'], summary: 'check every blob in the store', load: () => import('./commands/verify.ts') },
  {
    name: 'convert',
    examples: ['layerswarm convert debian.qcow2 -o oci:./image:v1'],
    summary: 'make an OCI image of a VM disk image',
    load: () => import('./commands/convert.ts'),
  },
  {
    name: 'boot',
    examples: ['layerswarm boot debian.qcow2 --name vm1'],
    summary: 'start a container of a VM disk image',
    load: () => import('./commands/boot.ts'),
  },
  {
    name: 'disk',
    examples: ['layerswarm disk map debian.qcow2 ./parts'],
    summary: 'show a VM disk image as files or as a folder',
    load: () => import('./commands/disk.ts'),
  },
  {
    name: 'demo',
    examples: ['layerswarm demo --nodes 8'],
    summary: 'show a swarm on this machine alone',
    load: () => import('./commands/demo.ts'),
  },
  {
    name: 'setup',
    examples: ['layerswarm setup containerd --dry-run', 'layerswarm setup containerd --undo'],
    summary: 'point a container runtime at the agent, or undo that',
    load: () => import('./commands/setup.ts'),
  },
  {
    name: 'token',
    examples: ['layerswarm token --expires 1h | ssh HOST layerswarm join -'],
    summary: 'print a string with which another host joins the swarm',
    load: () => import('./commands/token.ts'),
  },
  {
    name: 'join',
    examples: ['layerswarm join - <token', 'layerswarm join --token-file /run/token'],
    summary: 'make this host a member of a swarm',
    load: () => import('./commands/join.ts'),
  },
  {
    name: 'uninstall',
    examples: ['layerswarm uninstall --dry-run'],
    summary: 'undo every setup on this host',
    load: () => import('./commands/uninstall.ts'),
  },
  {
    name: 'key',
    examples: ['layerswarm key /etc/layerswarm/swarm.key'],
    summary: 'make a swarm key file',
    load: () => import('./commands/key.ts'),
  },
  {
    name: 'charter',
    examples: [
      'layerswarm charter keygen operator.key --swarm prod',
      'layerswarm charter sign charter.yaml --key operator.key --output charter.signed',
      'layerswarm charter publish charter.signed',
    ],
    summary: 'say for all nodes what they read from: keygen, sign, verify, publish, show',
    load: () => import('./commands/charter.ts'),
  },
  {
    name: 'doctor',
    examples: ['layerswarm doctor'],
    summary: "say what is wrong with this host's node and its surroundings",
    load: () => import('./commands/doctor.ts'),
  },
  {
    name: 'config',
    examples: ['layerswarm config --config /etc/layerswarm/layerswarm.yaml'],
    summary: 'check the configuration, or print its example or schema',
    load: () => import('./commands/config.ts'),
  },
  {
    name: 'completion',
    examples: ['layerswarm completion bash >/etc/bash_completion.d/layerswarm'],
    summary: 'print what makes a shell complete commands and options',
    load: () => import('./commands/completion.ts'),
  },
  { name: 'man', examples: ['layerswarm man | man -l -'], summary: 'print the manual page', load: () => import('./commands/man.ts') },
  {
    name: 'version',
    examples: ['layerswarm version --json'],
    summary: 'print the version of the program and of its Node',
    load: () => import('./commands/version.ts'),
  },
];
