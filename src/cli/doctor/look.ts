import { loadConfig, problemsOf } from '../../agent/config/config.ts';
import { errorCode } from '../../errors.ts';
import type { StatusDocument } from '../../status/status-document.ts';
import { connectToAgent } from '../agent-client.ts';
import type { CommandContext } from '../command.ts';
import { type Check, checkAgent, checkHost } from './checks.ts';

/** Everything that can be looked at here, with or without an agent that runs. */
export async function lookAtNode(context: CommandContext): Promise<Check[]> {
  const read = loadConfig({ flags: context.data === undefined ? {} : { data: context.data }, file: context.configFile });
  const checkConfigured = read.then(checkHost, (error: unknown) => {
    if (problemsOf(error).length === 0) throw error;
    return problemsOf(error).map((sentence): Check => ({ check: 'configuration', level: 'bad', sentence }));
  });
  const [host, agent] = await Promise.all([checkConfigured, askAgent(context)]);
  const own =
    typeof agent === 'string'
      ? [{ check: 'agent', level: 'bad', sentence: agent } satisfies Check]
      : [
          { check: 'agent', level: 'ok', sentence: `${agent.name} ${agent.peerId} runs version ${agent.version}` } satisfies Check,
          ...checkAgent(agent),
        ];
  // An agent that runs has looked at more than its files.
  const known = new Set(own.map(({ check }) => check));
  const aliases: Readonly<Record<string, string>> = { disk: 'store' };
  return [...own, ...host.filter(({ check }) => !known.has(aliases[check] ?? check))];
}

/** The status of the agent, or why there is none. */
async function askAgent(context: CommandContext): Promise<StatusDocument | string> {
  try {
    return await (await connectToAgent(context)).call('status', {});
  } catch (error) {
    if (errorCode(error) !== 'agent-unreachable') throw error;
    return (error as Error).message;
  }
}
