import type { ControlClient } from '../control/control-client.ts';
import type { CommandContext } from './command.ts';

/** The agent of `--data`, or of the configured or default data directory. @throws `agent-unreachable` */
export async function connectToAgent(context: CommandContext): Promise<ControlClient> {
  const data = await dataDirectory(context);
  const { ControlClient } = await import('../control/control-client.ts');
  return ControlClient.connect(data);
}

async function dataDirectory(context: CommandContext): Promise<string> {
  const { loadDataDirectory } = await import('../agent/config.ts');
  return loadDataDirectory({ flags: context.data === undefined ? {} : { data: context.data }, file: context.configFile });
}
