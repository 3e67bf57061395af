import { InvalidArgumentError } from 'commander';
import type { BootReceipt } from '../../convert/boot/boot.ts';
import type { DefineCommand } from '../command.ts';
import { addDiskOptions, addImageOptions, convertOptions, convertProgress, type DiskFlags, type ImageFlags } from '../disk-options.ts';
import { formatSeconds } from '../format.ts';
import { onInterrupt } from '../interrupt.ts';

interface Flags extends DiskFlags, ImageFlags {
  readonly name?: string;
  readonly live?: boolean;
  readonly network?: string;
  readonly timeout: number;
}

export const define: DefineCommand = (command, context) => {
  const { output } = context;
  addImageOptions(
    addDiskOptions(
      command
        .argument(
          '<disk-or-reference>',
          "a VM disk image's file, or an image: the Docker Engine's own, else by the agent of this host, else what the engine can pull",
        )
        .description(
          'Starts a container of a VM disk image or an image made of one, with its own init as PID 1, and waits until its system is up.',
        )
        .option('--name <name>', 'of the container')
        .option('--live', 'start from the mapped disk itself, without converting: needs root, and stays until the container ends')
        .option('--network <mode>', "Docker's network mode, such as none or host")
        .option('--timeout <seconds>', 'how long the system may take to come up', parseSeconds, 120),
    ),
  ).action(async (source: string, flags: Flags) => {
    const { name, live, network, timeout, ...rest } = flags;
    const progress = convertProgress(process.stderr);
    const signal = onInterrupt();
    const options = {
      ...convertOptions(rest),
      containerName: name,
      network,
      timeoutMs: timeout * 1000,
      // The digest is for images that go elsewhere.
      sourceDigest: false,
      signal,
      bring: async (reference: string) => await (await import('../bring-image.ts')).bringImage(reference, context, signal),
      onProgress: progress.show,
      onUnpack: progress.unpack,
      onNote: (line: string) => {
        progress.end();
        output.diagnostic(line);
      },
    };
    const report = (receipt: BootReceipt): void => {
      progress.end();
      if (receipt.state === 'degraded')
        output.diagnostic(
          `the system is up, and these units failed in the container: ${receipt.failed.join(', ')}; docker exec ${receipt.name} journalctl -u ${receipt.failed[0] ?? 'UNIT'} says why`,
        );
      output.result(receipt, (receipt) => formatBoot(receipt, live === true));
    };
    try {
      if (live === true) await (await import('../../convert/boot/live.ts')).bootLive(source, options, report);
      else report(await (await import('../../convert/boot/boot.ts')).boot(source, options));
    } finally {
      progress.end();
    }
  });
};

function formatBoot({ name, image, state, seconds, failed }: BootReceipt, live: boolean): string {
  const up = {
    running: 'the system is running',
    degraded: `the system is up, without ${failed.join(', ')}`,
    started: 'its init has started',
  }[state];
  return [
    `${name} (${live ? 'live' : image}): ${up}, after ${formatSeconds(seconds)}`,
    `  get in:  docker exec -it ${name} /bin/sh`,
    `  stop:    ${live ? 'Ctrl-C here, or docker stop' : 'docker stop'} ${name}`,
    ...(live ? [] : [`  remove:  docker rm ${name}`]),
  ].join('\n');
}

function parseSeconds(value: string): number {
  const seconds = Number(value);
  if (!(seconds > 0 && seconds < 86_400)) throw new InvalidArgumentError('Expected a number of seconds.');
  return seconds;
}
