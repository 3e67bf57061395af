import type { Handlers } from '../control/control-server.ts';
import { parsePlatform } from '../oci/platform.ts';
import type { Seeder } from '../seed/seeder.ts';
import type { Preheat } from './preheat.ts';
import type { TagHints } from './tag-hints.ts';

/** `layerswarm seed`, as the command line asks for it. */
export function seedHandler(seeder: Seeder, hints: Pick<TagHints, 'announce'>, preheat: Pick<Preheat, 'everywhere'>): Handlers['seed'] {
  return async (request, { signal, progress }) => {
    const { source, as, dryRun, platform, dockerHost, everywhere, zone } = request;
    const report = await seeder.seed(source, { as, dryRun, dockerHost, platform: platform === undefined ? undefined : parsePlatform(platform), signal, onProgress: progress });
    const { reference, digest, layers } = report;
    if (dryRun !== true && report.tag !== 'same') hints.announce(reference.repository, reference.tag!);
    const wave = everywhere !== true || dryRun === true ? undefined
      : await preheat.everywhere(`${reference.toString()}@${digest.toString()}`, { zone, signal, onProgress: (reached) => progress({ kind: 'wave', ...reached }) });
    return {
      ...report,
      reference: reference.toString(),
      digest: digest.toString(),
      layers: layers.map((layer) => ({ mediaType: layer.mediaType, digest: layer.digest.toString(), size: layer.size })),
      ...(wave === undefined ? {} : { nodes: wave.nodes, complete: wave.complete }),
    };
  };
}
