import type { ControlClient } from '../control/control-client.ts';
import type { CommandContext } from './command.ts';

/** The agent of `--data`, or of the configured or default data directory. @throws `agent-unreachable` */
export async function connectToAgent(context: CommandContext): Promise<ControlClient> {
  const [{ dataDirectory }, { ControlClient }] = await Promise.all([import('../agent/data-directory.ts'), import('../control/control-client.ts')]);
  return ControlClient.connect(await dataDirectory({ flag: context.data, file: context.configFile }));
}
