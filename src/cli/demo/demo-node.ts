import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { AgentFile } from '../../control/agent-file.ts';
import { ControlClient } from '../../control/control-client.ts';
import { LayerswarmError } from '../../errors.ts';
import { programFile } from '../../program-files.ts';
import type { StatusDocument } from '../../status/status-document.ts';

const MAIN = fileURLToPath(programFile('cli/main'));
/** An agent stops within 5 s by itself. */
const STOP_TIMEOUT_MS = 6000;
const LOOK_INTERVAL_MS = 50;
const MAX_LOG = 4000;

export interface DemoNodeOptions {
  readonly name: string;
  /** Everything of the demo lies in it. */
  readonly folder: string;
  readonly swarmKey: string;
  /** `embedded`, or the multiaddr of a member to begin with. */
  readonly joins: { readonly kind: 'embedded' } | { readonly kind: 'member'; readonly address: string };
  readonly signal: AbortSignal;
}

/** An agent in a process of its own, on loopback and free ports. */
export interface DemoNode extends AsyncDisposable {
  readonly name: string;
  readonly file: AgentFile;
  readonly client: ControlClient;
  /** Waits until its status is as wanted. */
  until(what: string, holds: (status: StatusDocument) => boolean): Promise<void>;
}

/** @throws LayerswarmError `unavailable` when the agent ends instead of becoming ready */
export async function startDemoNode({ name, folder, swarmKey, joins, signal }: DemoNodeOptions): Promise<DemoNode> {
  const data = join(folder, name);
  await mkdir(data);
  const child = spawn(
    process.execPath,
    [
      ...process.execArgv,
      MAIN,
      'agent',
      '--json',
      '--data',
      data,
      '--swarm-key',
      swarmKey,
      '--no-mdns',
      '--log-level',
      'warn',
      '--registry',
      '127.0.0.1:0',
      '--status',
      'off',
      '--listen',
      '/ip4/127.0.0.1/tcp/0',
      '--bulk',
      '127.0.0.1:0',
      '--origin',
      joins.kind === 'embedded' ? 'embedded' : 'auto',
      ...(joins.kind === 'member' ? ['--bootstrap', joins.address] : []),
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], env: environment(folder) },
  );
  let stdout = '';
  let log = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-MAX_LOG);
  });
  const ended = once(child, 'exit');
  ended.catch(() => undefined);

  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
  };
  const alive = (): void => {
    signal.throwIfAborted();
    if (child.exitCode !== null || child.signalCode !== null)
      throw new LayerswarmError('unavailable', `${name} ended by itself: ${log.trim().split('\n').at(-1) ?? 'it said nothing'}`);
  };
  const look = async <T>(found: () => Promise<T | undefined> | T | undefined): Promise<T> => {
    for (;;) {
      alive();
      const value = await found();
      if (value !== undefined) return value;
      await delay(LOOK_INTERVAL_MS, undefined, { signal });
    }
  };
  try {
    const file = await look(() => (stdout.endsWith('}\n') ? (JSON.parse(stdout) as AgentFile) : undefined));
    const client = await ControlClient.connect(data);
    return {
      name,
      file,
      client,
      until: async (_what, holds) => {
        await look(async () => (holds(await client.call('status', {}, { signal })) ? true : undefined));
      },
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** No setting of this machine reaches the demo, and its sockets are in its own folder; what one node compiled the next ones use. */
function environment(folder: string): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('LAYERSWARM_') && name !== 'NOTIFY_SOCKET');
  return {
    ...Object.fromEntries(inherited),
    LAYERSWARM_CONFIG: '/dev/null',
    XDG_RUNTIME_DIR: folder,
    NODE_COMPILE_CACHE: join(folder, 'compile-cache'),
  };
}
