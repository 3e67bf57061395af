import type { ComponentLogger, Logger } from '@libp2p/interface';

/**
 * What libp2p logs with: nothing. Its own logger makes a new scope for every connection, stream and frame codec, whether or not
 * anybody listens; that was a tenth of the CPU time of a joining crowd. `DEBUG=libp2p*` in the environment keeps it.
 */
export const silentLogger: ComponentLogger = { forComponent: () => silent };

const nothing = (): void => undefined;
const silent: Logger = Object.assign(nothing, { error: nothing, trace: nothing, enabled: false, newScope: () => silent });
