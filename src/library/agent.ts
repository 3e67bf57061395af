/** `layerswarm/agent`: this process as a node of a swarm. */
import { startAgent as start } from '../agent/agent.ts';
import { configOf, type ConfigInput } from '../agent/config/config.ts';
import type { AgentFile } from '../control/agent-file.ts';
import { createLogger } from '../log.ts';

export { LayerswarmError, type ErrorCode } from '../errors.ts';

/** As in `config/layerswarm.yaml`. The folder of its data has to be said: that of this host's own agent is never meant. */
export type AgentSettings = ConfigInput & { readonly data: string };

export interface AgentOptions {
  /** Takes each line of the log, with its line break, as `log.level` and `log.format` want them; without it there is none. */
  readonly onLog?: (line: string) => void;
}

/** A node that runs, and how to reach it. */
export interface Agent extends Readonly<Pick<AgentFile, 'peerId' | 'multiaddrs' | 'registry' | 'status' | 'push' | 'socket'>> {
  /** Stops everything, what was started last first. */
  stop(): Promise<void>;
}

/**
 * Neither the environment nor the configuration of the system is read.
 * @throws LayerswarmError `config-invalid`, `key-invalid`, `store-locked`, `store-format`, `store-unwritable`, `disk-full`, `port-taken`
 */
export async function startAgent(settings: AgentSettings, { onLog = () => undefined }: AgentOptions = {}): Promise<Agent> {
  const config = configOf(settings);
  const agent = await start(config, createLogger({ ...config.log, write: onLog }));
  const { pid: _, ...reach } = agent.file;
  return { ...reach, stop: () => agent.stop() };
}
