import type { Handlers } from '../../control/control-server.ts';
import { LayerswarmError } from '../../errors.ts';
import type { FollowedCharter } from './followed-charter.ts';

/** What the command line asks about the charter. */
export function charterHandlers(charter: FollowedCharter | undefined): Pick<Handlers, 'charter' | 'charter-publish'> {
  const followed = (): FollowedCharter => {
    if (charter !== undefined) return charter;
    throw new LayerswarmError(
      'usage',
      'this node follows no operator: give it the public key of one (charterKey in its configuration, or --charter-key) and restart it',
    );
  };
  return {
    // oxlint-disable-next-line typescript/require-await -- so that a node without one rejects
    charter: async () => ({ text: followed().text ?? null, status: followed().status() }),
    // oxlint-disable-next-line typescript/require-await -- what is wrong with a charter rejects
    'charter-publish': async ({ text }) => {
      const { serial } = followed().publish(text);
      return { serial, status: followed().status() };
    },
  };
}
