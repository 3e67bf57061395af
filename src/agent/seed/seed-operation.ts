import type { Handlers } from '../../control/control-server.ts';
import type { SeedLine, SeedRequest, SeedResult } from '../../control/seed-operation.ts';
import { parsePlatform } from '../../oci/platform.ts';
import type { Seeder } from '../../seed/seeder.ts';
import type { Preheat } from '../keep/preheat.ts';
import { type JobBoard, progressOfSeed } from '../swarm-view/job-board.ts';
import type { TagHints } from '../origins/tag-hints.ts';

export interface SeedParts {
  readonly seeder: Seeder;
  readonly hints: Pick<TagHints, 'announce'>;
  readonly preheat: Pick<Preheat, 'everywhere'>;
  readonly jobs: JobBoard;
}

/** `layerswarm seed`, as the command line asks for it. */
export function seedHandler(parts: SeedParts): Handlers['seed'] {
  return async (request, { signal, progress }) => {
    if (request.dryRun === true) return await seed(parts, request, signal, progress);
    return await parts.jobs.run(
      'seed',
      titleOf(request),
      async (report) =>
        await seed(parts, request, signal, (line) => {
          report(progressOfSeed(line));
          progress(line);
        }),
    );
  };
}

/** The image as it will be called; of a file its name alone: where it lies is nobody else's concern. */
function titleOf({ source, as }: SeedRequest): string {
  return as ?? source.replace(/^[a-z-]+:(\/\/|.*\/)?/, '');
}

async function seed(
  { seeder, hints, preheat }: SeedParts,
  request: SeedRequest,
  signal: AbortSignal,
  progress: (line: SeedLine) => void,
): Promise<SeedResult> {
  const { source, as, dryRun, platform, dockerHost, everywhere, zone } = request;
  const report = await seeder.seed(source, {
    as,
    dryRun,
    dockerHost,
    platform: platform === undefined ? undefined : parsePlatform(platform),
    signal,
    onProgress: progress,
  });
  const { reference, digest, layers } = report;
  if (dryRun !== true && report.tag !== 'same') hints.announce(reference.repository, reference.tag!);
  const wave =
    everywhere !== true || dryRun === true
      ? undefined
      : await preheat.everywhere(`${reference.toString()}@${digest.toString()}`, {
          zone,
          signal,
          onProgress: (reached) => progress({ kind: 'wave', ...reached }),
        });
  return {
    ...report,
    reference: reference.toString(),
    digest: digest.toString(),
    layers: layers.map((layer) => ({ mediaType: layer.mediaType, digest: layer.digest.toString(), size: layer.size })),
    ...(wave === undefined ? {} : { nodes: wave.nodes, complete: wave.complete }),
  };
}
