import type { DefineCommand } from '../command.ts';

export const define: DefineCommand = (command, context, setExitCode) => {
  command
    .description(
      "Says what is wrong with this host's node and its surroundings, and what to do: a line a check. Exit code 1 when something is bad.",
    )
    .action(async () => {
      const [{ lookAtNode }, { formatChecks }] = await Promise.all([import('../doctor/look.ts'), import('../doctor/format-checks.ts')]);
      const checks = await lookAtNode(context);
      context.output.result({ checks }, (document) => formatChecks(document.checks));
      if (checks.some(({ level }) => level === 'bad')) setExitCode(1);
    });
};
