import { connectToAgent } from '../agent-client.ts';
import type { DefineCommand } from '../command.ts';
import { onInterrupt } from '../interrupt.ts';

interface RunFlags {
  readonly dryRun?: boolean;
  readonly policy?: string;
  readonly target?: string;
}

export const define: DefineCommand = (command, context, setExitCode) => {
  command.description('Carries images to other registries, as policies in the configuration say.');
  command
    .command('status')
    .description('Shows for each target what waits, how far behind it is, and its last error.')
    .action(async () => {
      const agent = await connectToAgent(context);
      const { formatReplication } = await import('../format-replication.ts');
      const { replication } = await agent.call('status', {});
      context.output.result(replication, formatReplication);
    });
  command
    .command('run')
    .description('Brings everything that policies want up to date now, and tells what came of it.')
    .option('--dry-run', 'show the difference, and copy nothing')
    .option('--policy <name>', 'only this policy')
    .option('--target <name>', 'only this target')
    .action(async (flags: RunFlags) => {
      const agent = await connectToAgent(context);
      const { formatPlan, formatTags } = await import('../format-replication.ts');
      const result = await agent.call(
        'replicate-run',
        { dryRun: flags.dryRun, policy: flags.policy, target: flags.target },
        {
          signal: onInterrupt(),
          onProgress: ({ state, target, repository, tag, error }) =>
            process.stderr.write(
              `${target}  ${repository}:${tag}  ${state}${error === null ? '' : `: ${error.replace(/\p{Cc}/gu, '?')}`}\n`,
            ),
        },
      );
      context.output.result(result, ({ dryRun, plan, tags }) => (dryRun ? formatPlan(plan) : formatTags(tags)));
      if ([...result.tags, ...result.plan].some(({ error }) => error !== null)) setExitCode(1);
    });
};
