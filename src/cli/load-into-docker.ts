import type { ControlClient } from '../control/control-client.ts';
import { LayerswarmError } from '../errors.ts';
import type { CommandContext } from './command.ts';

/** Loads an image that was pulled into the Docker Engine. Gives the line that says so. */
export async function loadIntoDocker(_context: CommandContext, _agent: ControlClient, reference: string, _platform: string | undefined, _signal: AbortSignal): Promise<string> {
  throw new LayerswarmError('unsupported', `${reference} cannot be loaded yet`);
}
