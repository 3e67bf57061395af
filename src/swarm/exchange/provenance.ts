import type { Statement } from './statement.ts';

/** Where a piece of an unfinished blob came from. `sender` undefined: this node read it from the origin. */
export interface PieceOrigin {
  readonly sender: string | undefined;
  /** What its bringer into the swarm signed; absent where a holder sent it for this node alone. */
  readonly statement: Statement | undefined;
}

/** Who sent each piece, for as long as the blob is not proven: what a dispute is settled with. */
export class Provenance {
  readonly #pieces = new Map<number, PieceOrigin>();

  set(piece: number, sender: string | undefined, statement: Statement | undefined): void {
    this.#pieces.set(piece, { sender, statement });
  }

  get(piece: number): PieceOrigin | undefined {
    return this.#pieces.get(piece);
  }

  /** Those who signed pieces that are here. */
  *signers(): Iterable<string> {
    for (const { statement } of this.#pieces.values()) if (statement !== undefined) yield statement.signer;
  }

  delete(piece: number): void {
    this.#pieces.delete(piece);
  }
}
