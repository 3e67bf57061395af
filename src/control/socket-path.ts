import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { LayerswarmError } from '../errors.ts';

/** sun_path of unix(7) holds 108 bytes with the closing zero. */
const MAX_PATH_BYTES = 107;

/**
 * Where the control socket of the agent with this data directory is: in the runtime directory, which is on a local file system and
 * empty after a boot, else beside the data. @throws `config-invalid` when no place has a path that is short enough
 */
export function controlSocketPath(data: string, options: { configured?: string | undefined; uid: number; env: NodeJS.ProcessEnv }): string {
  if (options.configured !== undefined) return options.configured;
  const name = `agent-${createHash('sha256').update(data).digest('hex').slice(0, 12)}.sock`;
  const runtime = options.env['XDG_RUNTIME_DIR'];
  const candidates = [
    ...(runtime !== undefined && runtime.startsWith('/') ? [join(runtime, 'layerswarm')] : []),
    ...(options.uid === 0 ? ['/run/layerswarm'] : []),
  ];
  const paths = [...candidates.map((directory) => join(directory, name)), join(data, 'agent.sock')];
  const path = paths.find((candidate) => Buffer.byteLength(candidate) <= MAX_PATH_BYTES);
  if (path === undefined) {
    throw new LayerswarmError(
      'config-invalid',
      `socket.path: expected a path of at most ${MAX_PATH_BYTES} bytes, received ${paths.at(-1)}: set a shorter one`,
    );
  }
  return path;
}
