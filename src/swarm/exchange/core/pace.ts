import { ArrivalRate } from './arrival-rate.ts';
import type { DownloadLimits } from './limits.ts';
import type { PieceLayout } from './piece-layout.ts';

/** How fast the pieces of one download come, and what follows from that for how many are asked for, and how long they are waited for. */
export class Pace {
  readonly #layout: PieceLayout;
  readonly #limits: DownloadLimits;
  readonly #rate = new ArrivalRate();

  constructor(layout: PieceLayout, limits: DownloadLimits) {
    this.#layout = layout;
    this.#limits = limits;
  }

  /** @param now ms */
  arrived(piece: number, now: number): void {
    this.#rate.add(this.#layout.bytes(piece), now);
  }

  /** Time in which one piece comes in; 0 while unknown. */
  get pieceMs(): number {
    const { bytesPerSecond } = this.#rate;
    return bytesPerSecond === 0 ? 0 : (this.#layout.pieceLength * 1000) / bytesPerSecond;
  }

  /**
   * A piece that everyone asks one for reaches the last after as many times as it takes by itself; queues hold several rounds of that.
   * @param fetching other members that fetch the blob
   */
  patienceMs(fetching: number): number {
    return this.pieceMs * this.#limits.patienceRounds * (fetching + 1);
  }

  /** Pieces that may be asked of members that fetch themselves. */
  get mostAsked(): number {
    return Math.max(
      this.#limits.askedPieces,
      Math.floor((this.#rate.bytesPerSecond * this.#limits.askedMs) / 1000 / this.#layout.pieceLength),
    );
  }
}
