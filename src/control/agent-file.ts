import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LayerswarmError } from '../errors.ts';

/** `DIR/agent.json`: how to reach the agent that runs on a data directory. It is there while the agent is ready. */
export interface AgentFile {
  readonly pid: number;
  readonly peerId: string;
  readonly multiaddrs: readonly string[];
  readonly registry: string;
  /** null when the status endpoint is off. */
  readonly status: string | null;
  /** null without a push listener. */
  readonly push: string | null;
  readonly socket: string;
}

function pathOf(data: string): string {
  return join(data, 'agent.json');
}

export async function writeAgentFile(data: string, file: AgentFile): Promise<void> {
  const temporary = `${pathOf(data)}.${randomUUID()}.tmp`;
  try {
    // exclusive: a link that somebody put there is not followed
    await writeFile(temporary, `${JSON.stringify(file, undefined, 2)}\n`, { mode: 0o644, flag: 'wx' });
    await rename(temporary, pathOf(data));
  } finally {
    await rm(temporary, { force: true });
  }
}

export async function removeAgentFile(data: string): Promise<void> {
  try {
    await unlink(pathOf(data));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** @throws `agent-unreachable` when no agent says that it runs there */
export async function readAgentFile(data: string): Promise<AgentFile> {
  try {
    const file = JSON.parse(await readFile(pathOf(data), 'utf8')) as Partial<AgentFile>;
    if (typeof file.socket === 'string' && typeof file.pid === 'number') return file as AgentFile;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES')
      throw new LayerswarmError('agent-unreachable', `this user may not read ${pathOf(data)}: run the command as the user of the agent`, {
        cause: error,
      });
    throw new LayerswarmError(
      'agent-unreachable',
      `no agent runs on ${data}: start one with "layerswarm agent --data ${data}", or name its directory with --data`,
      { cause: error },
    );
  }
  throw new LayerswarmError('agent-unreachable', `${pathOf(data)} is not of an agent of this version: restart the agent`);
}
