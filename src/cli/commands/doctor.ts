import { connectToAgent } from '../agent-client.ts';
import type { CommandContext, DefineCommand } from '../command.ts';
import { errorCode } from '../../errors.ts';
import type { Check } from '../doctor/checks.ts';

export const define: DefineCommand = (command, context, setExitCode) => {
  command
    .description('Says what is wrong with this host\'s node and its surroundings, and what to do: a line a check. Exit code 1 when something is bad.')
    .action(async () => {
      const [{ loadConfig, problemsOf }, { checkAgent, checkHost }] = await Promise.all([import('../../agent/config.ts'), import('../doctor/checks.ts')]);
      const read = loadConfig({ flags: context.data === undefined ? {} : { data: context.data }, file: context.configFile });
      const checkConfigured = read.then(checkHost, (error: unknown) => {
        if (problemsOf(error).length === 0) throw error;
        return problemsOf(error).map((sentence): Check => ({ check: 'configuration', level: 'bad', sentence }));
      });
      const [host, agent] = await Promise.all([checkConfigured, askAgent(context)]);
      const own = typeof agent === 'string' ? [{ check: 'agent', level: 'bad', sentence: agent } satisfies Check] : [{ check: 'agent', level: 'ok', sentence: `${agent.name} ${agent.peerId} runs version ${agent.version}` } satisfies Check, ...checkAgent(agent)];
      // An agent that runs has looked at more than its files.
      const known = new Set(own.map(({ check }) => check));
      const aliases: Readonly<Record<string, string>> = { disk: 'store' };
      const checks = [...own, ...host.filter(({ check }) => !known.has(aliases[check] ?? check))];
      const { formatChecks } = await import('../doctor/format-checks.ts');
      context.output.result({ checks }, (document) => formatChecks(document.checks));
      if (checks.some(({ level }) => level === 'bad')) setExitCode(1);
    });
};

/** The status of the agent, or why there is none. */
async function askAgent(context: CommandContext) {
  try {
    return await (await connectToAgent(context)).call('status', {});
  } catch (error) {
    if (errorCode(error) !== 'agent-unreachable') throw error;
    return (error as Error).message;
  }
}
