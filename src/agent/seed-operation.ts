import type { Handlers } from '../control/control-server.ts';
import { parsePlatform } from '../oci/platform.ts';
import type { Seeder } from '../seed/seeder.ts';

/** `layerswarm seed`, as the command line asks for it. */
export function seedHandler(seeder: Seeder): Handlers['seed'] {
  return async (request, { signal, progress }) => {
    const { source, as, dryRun, platform, dockerHost } = request;
    const report = await seeder.seed(source, { as, dryRun, dockerHost, platform: platform === undefined ? undefined : parsePlatform(platform), signal, onProgress: progress });
    const { reference, digest, layers } = report;
    return {
      ...report,
      reference: reference.toString(),
      digest: digest.toString(),
      layers: layers.map((layer) => ({ mediaType: layer.mediaType, digest: layer.digest.toString(), size: layer.size })),
    };
  };
}
