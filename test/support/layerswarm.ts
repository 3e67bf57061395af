import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ControlClient } from '../../src/control/control-client.ts';
import type { Cleanup } from './cleanup.ts';
import { cleanEnv, MAIN } from './cli.ts';
import type { Host } from './netns.ts';
import { type Finished, type RunningProgram, run, type RunOptions, startProgram } from './process.ts';
import { tempDir } from './temp-dir.ts';
import { waitFor } from './wait-for.ts';

/** What a running agent writes to `DIR/agent.json`. */
export interface AgentInfo {
  readonly pid: number;
  readonly peerId: string;
  readonly multiaddrs: readonly string[];
  readonly registry: string;
  readonly status: string;
  readonly push?: string | null;
  readonly socket: string;
}

/** The keys of `GET /api/v1/status` that tests read. */
export interface Status {
  readonly peerId: string;
  readonly health: {
    readonly level: string;
    readonly sentence: string;
    readonly ready: boolean;
    readonly parts: Readonly<Record<string, { readonly level: string; readonly sentence: string; readonly since: string }>>;
  };
  readonly membership: {
    readonly keyIds: readonly string[];
    readonly handshakeFailures: Readonly<Record<string, number>>;
    readonly strangers: readonly { readonly address: string; readonly failures: number }[];
  };
  readonly origin: {
    readonly url: string | null;
    readonly name: string | null;
    readonly source: string;
    readonly state: string;
    readonly reason: string | null;
    readonly bytes: number;
  };
  readonly store: { readonly blobs: number; readonly bytes: number; readonly partial: number };
  readonly containerd: { readonly state: string; readonly blobs: number; readonly bytes: number } | null;
  readonly traffic: {
    readonly fromOriginBytes: number;
    readonly fromPeersBytes: number;
    readonly toPeersBytes: number;
    readonly toClientsBytes: number;
  };
  readonly peers: readonly {
    readonly peerId: string;
    readonly address: string;
    readonly sentBytes: number;
    readonly receivedBytes: number;
    readonly badPieces: number;
  }[];
  readonly transfers: readonly { readonly digest: string; readonly haveBytes: number; readonly state: string }[];
  readonly images: readonly {
    readonly reference: string;
    readonly digest: string;
    readonly sizeBytes: number;
    readonly complete: boolean;
  }[];
  readonly bans: readonly { readonly peerId: string; readonly reason: string }[];
  readonly strayErrors: number;
}

export interface AgentOptions {
  /** A folder of before, for a restart; a new one when absent. */
  readonly data?: string;
  /** `--origin`; the program's default (auto) when absent. */
  readonly origin?: string | undefined;
  readonly swarmKey?: string | undefined;
  /** Where it runs, with the program's default ports; on loopback with free ports when absent. */
  readonly host?: Host | undefined;
  readonly bootstrap?: readonly string[];
  /** Off unless said, so that nodes of other tests are not met. */
  readonly mdns?: boolean;
  readonly args?: readonly string[];
  /** Options of Node and V8. */
  readonly nodeArgs?: readonly string[];
  /** The `main.ts` of another checkout; this one's when absent. */
  readonly main?: string;
}

export interface Agent {
  readonly info: AgentInfo;
  readonly data: string;
  readonly host: Host | undefined;
  readonly program: RunningProgram;
  /** Base URL of the registry endpoint, as seen from where the agent runs. */
  readonly registry: string;
  /** host:port of it, as in references. */
  readonly registryHost: string;
  /** `layerswarm …` about this agent, run where it runs, whatever its exit code. */
  cli(args: readonly string[], options?: RunOptions): Promise<Finished>;
  cliOk(args: readonly string[], options?: RunOptions): Promise<Finished>;
  /** The document that `layerswarm … --json` prints. */
  cliJson<T>(args: readonly string[], options?: RunOptions): Promise<T>;
  /** From the status endpoint; over the control socket where that is on another host's loopback. */
  status(): Promise<Status>;
  /** Waits until the status is as wanted. */
  waitForStatus(what: string, holds: (status: Status) => boolean, deadline?: number): Promise<Status>;
  waitForPeers(count: number): Promise<Status>;
  /** Where the store keeps a blob. */
  blobPath(digest: string): string;
  /** SIGTERM. */
  stop(): Promise<Finished>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

/** Environment of every `layerswarm` that a test runs: no settings of the machine, control sockets beside the data. */
export function programEnv(runtimeDir: string): Record<string, string | undefined> {
  const none = Object.fromEntries(
    Object.keys(process.env)
      .filter((name) => name.startsWith('LAYERSWARM_'))
      .map((name) => [name, undefined]),
  );
  return { ...none, LAYERSWARM_CONFIG: cleanEnv()['LAYERSWARM_CONFIG'], XDG_RUNTIME_DIR: runtimeDir };
}

/** The program to its end, apart from any agent. */
export function layerswarm(args: readonly string[], options: RunOptions & { runtimeDir?: string } = {}): Promise<Finished> {
  const { runtimeDir = '/nonexistent', env, ...rest } = options;
  return run(process.execPath, [MAIN, ...args], { ...rest, env: { ...programEnv(runtimeDir), ...env } });
}

export async function makeSwarmKey(cleanup: Cleanup): Promise<string> {
  const file = join(tempDir(cleanup, 'key'), 'swarm.key');
  const { code, stderr } = await layerswarm(['key', file]);
  if (code !== 0) throw new Error(`layerswarm key: ${stderr}`);
  return file;
}

export interface Launch {
  readonly args: readonly string[];
  readonly data: string;
  readonly env: Record<string, string | undefined>;
}

/** The command line of an agent, for tests of agents that must not start. */
export function agentCommand(cleanup: Cleanup, options: AgentOptions): Launch {
  const { data = join(tempDir(cleanup, 'node'), 'data'), origin, swarmKey, host, bootstrap = [], mdns = false, args = [] } = options;
  return {
    data,
    env: programEnv(join(data, '..')),
    args: [
      'agent',
      '--data',
      data,
      ...(origin === undefined ? [] : ['--origin', origin]),
      ...(host === undefined
        ? ['--registry', '127.0.0.1:0', '--status', '127.0.0.1:0', '--listen', '/ip4/127.0.0.1/tcp/0', '--bulk', '127.0.0.1:0']
        : []),
      ...(swarmKey === undefined ? [] : ['--swarm-key', swarmKey]),
      ...(bootstrap.length === 0 ? [] : ['--bootstrap', ...bootstrap]),
      ...(mdns ? [] : ['--no-mdns']),
      ...args,
    ],
  };
}

/** Starts an agent and waits until it is ready. */
export async function startAgent(cleanup: Cleanup, options: AgentOptions = {}): Promise<Agent> {
  const { host, nodeArgs = [], main = MAIN } = options;
  const { args, data, env } = agentCommand(cleanup, options);
  const program = startProgram(cleanup, process.execPath, [...nodeArgs, main, ...args], { env, netns: host?.netns });
  const info = await program.waitFor('agent.json', () => {
    const found = JSON.parse(readFileSync(join(data, 'agent.json'), 'utf8')) as AgentInfo;
    return found.pid === program.pid && found;
  });
  const cli = (words: readonly string[], more: RunOptions = {}): Promise<Finished> =>
    run(process.execPath, [main, '--data', data, ...words], { env, netns: host?.netns, ...more });
  const agent: Agent = {
    info,
    data,
    host,
    program,
    registry: info.registry,
    registryHost: new URL(info.registry).host,
    cli,
    async cliOk(words, more) {
      const result = await cli(words, more);
      if (result.code !== 0)
        throw new Error(
          `layerswarm ${words.join(' ')} ended with ${result.signal ?? result.code}\n${result.stdout}${result.stderr}\n--- agent\n${program.stderr}`.slice(
            0,
            20_000,
          ),
        );
      return result;
    },
    async cliJson<T>(words: readonly string[], more?: RunOptions) {
      return JSON.parse((await agent.cliOk(['--json', ...words], more)).stdout) as T;
    },
    status: async () =>
      host === undefined ? await fetchStatus(info.status) : await (await ControlClient.connect(data)).call('status', {}),
    async waitForStatus(what, holds, deadline) {
      let last: Status | undefined;
      try {
        return await waitFor(
          what,
          async () => {
            last = await agent.status();
            return holds(last) && last;
          },
          {
            interval: host === undefined ? 50 : 100,
            ...(deadline === undefined ? {} : { deadline }),
            giveUp: () => (program.exit === undefined ? undefined : new Error(`the agent ended: ${program.stderr}`)),
          },
        );
      } catch (error) {
        throw new Error(
          `${(error as Error).message}; last status: ${JSON.stringify(last)}\n--- agent\n${program.stderr}`.slice(0, 20_000),
          { cause: error },
        );
      }
    },
    waitForPeers: (count) => agent.waitForStatus(`${count} peers`, ({ peers }) => peers.length >= count),
    blobPath: (digest) => join(data, 'blobs', digest.replace(':', '/')),
    stop: () => program.stop(),
    async kill() {
      program.kill('SIGKILL');
      await program.finished;
    },
  };
  return agent;
}

async function fetchStatus(url: string): Promise<Status> {
  const response = await fetch(new URL('/api/v1/status', url), { signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new Error(`status: ${response.status}`);
  return (await response.json()) as Status;
}

/** Loopback addresses that others can bootstrap from. */
export function bootstrapOf(...agents: readonly Agent[]): string[] {
  return agents.flatMap(({ info }) => info.multiaddrs.slice(0, 1));
}
