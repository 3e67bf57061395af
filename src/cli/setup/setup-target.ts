import { errorCode, LayerswarmError } from '../../errors.ts';
import { type ConfigOptions, loadConfig } from '../../agent/config/config.ts';
import { dataDirectory } from '../../agent/config/data-directory.ts';
import { configuredRegistries } from '../../agent/origins/served-registries.ts';
import { readAgentFile } from '../../control/agent-file.ts';
import type { SetupTarget } from '../../setup/runtime.ts';
import type { RegistryStatus } from '../../status/status-document.ts';
import type { CommandContext } from '../command.ts';
import { connectToAgent } from '../agent-client.ts';
import { registryTargets } from './registry-targets.ts';

export interface TargetFlags {
  readonly registry: readonly string[];
  readonly allRegistries?: boolean;
  readonly endpoint?: string;
  readonly root: string;
}

/**
 * What the runtime is pointed at: the agent that runs on the data directory, else (also for the root of an image) the one that
 * the configuration describes. @throws `usage`, `config-invalid`, `agent-unreachable`
 */
export async function setupTarget(
  flags: TargetFlags,
  context: CommandContext,
): Promise<SetupTarget & { readonly notes: readonly string[] }> {
  const agent = flags.root === '/' || context.data !== undefined ? await runningAgent(context) : undefined;
  const { endpoint, registries, notes } = agent ?? (await configuredAgent(context));
  const url = flags.endpoint === undefined ? endpoint : parseEndpoint(flags.endpoint);
  if (url === undefined) {
    throw new LayerswarmError(
      'agent-unreachable',
      'no agent runs here, and its configuration lets it choose a port: start it first, or name its registry endpoint with --endpoint URL',
    );
  }
  const everyRegistry = flags.allRegistries === true;
  const targets = registryTargets(registries, flags.registry);
  if (targets.length === 0 && !everyRegistry) {
    throw new LayerswarmError(
      'usage',
      'the agent serves no registry that a runtime could name: name one with --registry, or add it to mirrors of the agent',
    );
  }
  return { endpoint: url, registries: everyRegistry && flags.registry.length === 0 ? [] : targets, everyRegistry, notes };
}

interface KnownAgent {
  readonly endpoint: URL | undefined;
  readonly registries: readonly RegistryStatus[];
  readonly notes: readonly string[];
}

async function runningAgent(context: CommandContext): Promise<KnownAgent | undefined> {
  try {
    const agent = await connectToAgent(context);
    const { registries } = await agent.call('status', {});
    const { registry } = await readAgentFile(await dataDirectory({ flag: context.data, file: context.configFile }));
    return { endpoint: reachable(new URL(registry)), registries, notes: [] };
  } catch (error) {
    if (errorCode(error) === 'agent-unreachable') return undefined;
    throw error;
  }
}

async function configuredAgent(context: CommandContext): Promise<KnownAgent> {
  const config = await loadConfig(dataOptions(context));
  const { host, port } = config.registry;
  return {
    endpoint: port === 0 ? undefined : reachable(new URL(`http://${host.includes(':') ? `[${host}]` : host}:${port}`)),
    registries: configuredRegistries(config),
    notes: [
      `no agent runs on ${config.data}: this is what its configuration says`,
      ...(config.origin === 'auto'
        ? ['its origin is learned from the swarm, so it is not among these: run setup again once the agent knows it']
        : []),
    ],
  };
}

/** An endpoint that listens on all addresses is reached on loopback. */
function reachable(url: URL): URL {
  if (url.hostname !== '0.0.0.0' && url.hostname !== '[::]') return url;
  return new URL(`${url.protocol}//127.0.0.1:${url.port}`);
}

function dataOptions({ data, configFile }: CommandContext): ConfigOptions {
  return { flags: data === undefined ? {} : { data }, file: configFile };
}

function parseEndpoint(text: string): URL {
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  if (url === null || !/^https?:$/.test(url.protocol) || url.pathname !== '/' || url.search !== '' || url.username !== '') {
    throw new LayerswarmError('usage', `expected an endpoint such as http://127.0.0.1:5050, received ${text}`);
  }
  return url;
}
