import { randomBytes } from 'node:crypto';
import { WorkerNetwork as HonestNetwork } from '../../../src/swarm/thread/worker-network.ts';

const EVERY_MS = 200;
const AT_ONCE = 100;
const PIECE_LENGTH = 65_536;
const PIECES = 16_384;

/** Asks everybody to coordinate blobs that nobody has heard of. */
export class WorkerNetwork extends HonestNetwork {
  constructor(...args: ConstructorParameters<typeof HonestNetwork>) {
    super(...args);
    setInterval(() => {
      for (const { peerId } of this.peers()) for (let i = 0; i < AT_ONCE; i++) void this.#ask(peerId);
    }, EVERY_MS).unref();
  }

  async #ask(peerId: string): Promise<void> {
    const blob = `sha256:${randomBytes(32).toString('hex')}`;
    try {
      await this.request(
        peerId,
        {
          type: 'lease-request',
          blob,
          size: PIECES * PIECE_LENGTH,
          pieceLength: PIECE_LENGTH,
          bits: new Uint8Array(PIECES / 8),
          active: [],
          pieces: PIECES,
          insists: true,
        },
        'lease-grant',
        { timeoutMs: 5000 },
      );
    } catch {
      // slowed, or cut
    }
  }
}
