import { errorCode, LayerswarmError } from '../errors.ts';
import type { ControlClient } from '../control/control-client.ts';
import type { CommandContext } from './command.ts';

/**
 * The agent of `--data`, or of the configured or default data directory; for a plain user without an agent of their own that of the
 * host, which root runs. @throws `agent-unreachable`
 */
export async function connectToAgent(context: CommandContext): Promise<ControlClient> {
  const [{ dataDirectory, defaultData }, { ControlClient }] = await Promise.all([
    import('../agent/config/data-directory.ts'),
    import('../control/control-client.ts'),
  ]);
  const data = await dataDirectory({ flag: context.data, file: context.configFile });
  const uid = process.getuid?.() ?? 0;
  try {
    return await ControlClient.connect(data);
  } catch (error) {
    if (uid === 0 || data !== defaultData(uid, process.env) || !isNone(error)) throw error;
    return await ControlClient.connect(defaultData(0, process.env)).catch((other: unknown) => {
      throw isNone(other) ? error : other;
    });
  }
}

/** No agent says that it runs there; one that may not be asked is another matter. */
function isNone(error: unknown): boolean {
  return (
    errorCode(error) === 'agent-unreachable' &&
    error instanceof LayerswarmError &&
    (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT'
  );
}
