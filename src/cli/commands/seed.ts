import { resolve } from 'node:path';
import type { SeedResult } from '../../control/seed-operation.ts';
import { connectToAgent } from '../agent-client.ts';
import type { DefineCommand } from '../command.ts';
import { checkFileOf, checkPlatforms, checkReference } from '../given.ts';
import { onInterrupt } from '../interrupt.ts';

interface Flags {
  readonly as?: string;
  readonly everywhere?: boolean;
  readonly zone?: string;
  readonly platform?: string;
  readonly dryRun?: boolean;
}

export const define: DefineCommand = (command, context, setExitCode) => {
  command
    .argument(
      '<source>',
      'docker://NAME:TAG, oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE, tar:FILE or disk:FILE; files are read by the agent',
    )
    .description('Puts an image into the origin once, with this node as its first seeder; then every node can pull it.')
    .option('--as <reference>', "what to call it at the origin; the source's own name by default")
    .option('--everywhere', 'wait until every node that allows it has the image')
    .option('--zone <zone>', 'wait until every node of this zone has the image')
    .option('--platform <platform>', "of a tar: source, such as linux/arm64; this host's own by default")
    .option('--dry-run', 'say what the origin would be sent, and change nothing')
    .action(async (source: string, flags: Flags) => {
      const { parseSource } = await import('../../seed/source/source-name.ts');
      parseSource(source);
      if (flags.as !== undefined) checkReference(flags.as);
      if (flags.platform !== undefined) checkPlatforms([flags.platform]);
      const agent = await connectToAgent(context).catch(async (error: unknown) => {
        await checkFileOf(withFullPath(source));
        throw error;
      });
      const [{ formatSeed }, { seedView }] = await Promise.all([import('../format-seed.ts'), import('../seed-view.ts')]);
      const view = seedView(process.stderr);
      let result: SeedResult;
      try {
        result = await agent.call(
          'seed',
          {
            source: withFullPath(source),
            as: flags.as,
            platform: flags.platform,
            dryRun: flags.dryRun,
            everywhere: flags.everywhere === true || flags.zone !== undefined ? true : undefined,
            zone: flags.zone,
            dockerHost: process.env['DOCKER_HOST'] || undefined,
          },
          { signal: onInterrupt(), onProgress: (line) => view.show(line) },
        );
      } finally {
        view.end();
      }
      context.output.result(result, formatSeed);
      if (result.complete === false) setExitCode(1);
    });
};

/** The agent has another working directory. */
function withFullPath(source: string): string {
  const match = /^(oci|oci-archive|docker-archive|tar|disk):(.+)$/s.exec(source);
  return match === null ? source : `${match[1]}:${resolve(match[2]!)}`;
}
