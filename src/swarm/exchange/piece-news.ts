import type { BlobNetwork } from '../network/network.ts';
import type { Holding, MessageOf } from '../protocol/message.ts';
import { MAX_RUNS } from '../protocol/word.ts';
import { Bitfield, runsWhere, type Run } from './core/bitfield.ts';
import type { UnfinishedBlob } from './unfinished-blob.ts';

/** What this node and others say of the pieces that they have of one blob. */
export class PieceNews {
  readonly #network: BlobNetwork;
  readonly #blob: Pick<UnfinishedBlob, 'digest' | 'layout'>;

  constructor(network: BlobNetwork, blob: Pick<UnfinishedBlob, 'digest' | 'layout'>) {
    this.#network = network;
    this.#blob = blob;
  }

  /** `forZone`: as in the message. */
  tell(peers: readonly string[], runs: readonly Run[], forZone: boolean): void {
    const blob = this.#blob.digest.toString();
    for (let at = 0; at < runs.length; at += MAX_RUNS) {
      // One for all, which is encoded once.
      const have: MessageOf<'have'> = { type: 'have', blob, runs: runs.slice(at, at + MAX_RUNS).map(copyRun), forZone };
      for (const peer of peers) this.#network.send(peer, have);
    }
  }

  /** Tells a member that was told `told` what came since: who has not answered yet hears no news. */
  tellSince(peer: string, told: Holding, servable: Bitfield): void {
    const known = this.bitsOf(told);
    this.tell(
      [peer],
      runsWhere(servable.length, (piece) => servable.has(piece) && known?.has(piece) !== true),
      false,
    );
  }

  /** The pieces that somebody says to have, where the blob is cut there as it is here. */
  bitsOf({ bits, pieceLength, size, state }: Holding): Bitfield | undefined {
    const { layout } = this.#blob;
    if (state !== 'partial' || size !== layout.size || pieceLength !== layout.pieceLength || bits === undefined) return undefined;
    try {
      return Bitfield.fromBytes(bits, layout.pieceCount);
    } catch {
      // Whoever says nonsense is believed nothing.
      return undefined;
    }
  }
}

function copyRun([first, count]: Run): Run {
  return [first, count];
}
