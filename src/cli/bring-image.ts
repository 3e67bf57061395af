import { dataDirectory } from '../agent/config/data-directory.ts';
import { DockerEngine } from '../docker/engine.ts';
import { errorCode, LayerswarmError } from '../errors.ts';
import { connectToAgent } from './agent-client.ts';
import type { CommandContext } from './command.ts';
import { loadIntoDocker } from './load-into-docker.ts';

/** What says that the agent is not the one to ask: there is none, or the image is of a registry, or has a name, that it does not serve. */
const ELSEWHERE: ReadonlySet<string> = new Set(['agent-unreachable', 'reference-invalid', 'origin-unknown', 'not-found', 'denied']);

/**
 * Has the agent of this host pull an image, and loads it into the Docker Engine; what the engine calls it then, or undefined where the
 * agent is not the one to ask. @throws as a pull, and as `loadIntoDocker`
 */
export async function bringImage(reference: string, context: CommandContext, signal: AbortSignal): Promise<string | undefined> {
  // an engine elsewhere has an agent of its own beside it
  if (!DockerEngine.at(process.env['DOCKER_HOST'] || undefined).isLocal) return undefined;
  try {
    const agent = await connectToAgent(context);
    const { receipt } = await agent.call('pull', { reference }, { signal });
    const { name } = await loadIntoDocker(
      await dataDirectory({ flag: context.data, file: context.configFile }),
      receipt,
      undefined,
      signal,
    );
    context.output.diagnostic(`${reference}: the agent brought it into the Docker Engine as ${name}`);
    return name;
  } catch (error) {
    if (error instanceof LayerswarmError && ELSEWHERE.has(errorCode(error))) return undefined;
    throw error;
  }
}
