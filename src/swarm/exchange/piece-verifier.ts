import { Grade } from '../../store/blob-store.ts';
import type { BlobNetwork } from '../network/network.ts';
import { Accusations } from './accusations.ts';
import { RangeDoubts } from './core/range-doubts.ts';
import { PrefixListSource } from './prefix-list-source.ts';
import type { PrefixList } from './prefix-list.ts';
import { SecondLook, type SecondLookListener } from './second-look.ts';
import { statementIsSigned, type Statement } from './statement.ts';
import type { TransferContext } from './transfer-context.ts';
import type { UnfinishedBlob } from './unfinished-blob.ts';

export interface VerifierListener extends SecondLookListener {
  /** This peer brought wrong bytes, as it seems: nothing more from it. */
  accused(peer: string): void;
  /** Its disk was at fault, and it has seen to that. */
  forgiven(peer: string): void;
  /** The dispute could not be settled. */
  failed(error: unknown): void;
  /** Members that fetch the same blob. */
  rivals(): string[];
}

/**
 * Finds which bytes of an unfinished blob are wrong, and who brought them. Compares the running hash with a signed list at each
 * checkpoint, and settles what does not agree by a second reading. Nobody is banned before the blob is proven: only then is it
 * certain which side was wrong.
 */
export class PieceVerifier {
  readonly #network: BlobNetwork;
  readonly #blob: UnfinishedBlob;
  readonly #listener: VerifierListener;
  readonly #broughtWrong: (peer: string) => void;
  readonly #list: PrefixListSource;
  readonly #accusations: Accusations;
  readonly #second: SecondLook;
  /** Checkpoints whose range was thrown away because an unconfirmed list said so. */
  readonly #contradicted = new Set<number>();
  readonly #doubts = new RangeDoubts();
  /** Members that brought wrong bytes, as it seems. */
  readonly #suspects = new Set<string>();
  #suspicions = 0;
  #settling: Promise<void> | undefined;
  #settlements = 0;

  constructor(context: TransferContext, blob: UnfinishedBlob, listener: VerifierListener) {
    this.#network = context.network;
    this.#blob = blob;
    this.#listener = listener;
    this.#broughtWrong = (peer) => context.broughtWrong(peer, 1);
    this.#list = new PrefixListSource(context.network, blob);
    this.#accusations = new Accusations(context, blob);
    this.#second = new SecondLook(context.network, blob, listener, {
      readers: () => this.#readers(),
      accuse: (piece, bytes) => this.#accuse(piece, bytes),
    });
    blob.partial.onCheckpoint = (index, digest) => this.#onCheckpoint(index, digest);
  }

  /** How often a member came to be one that brought wrong bytes, as it seems. */
  get suspicions(): number {
    return this.#suspicions;
  }

  /** A member that has proven the blob: its list tells early what is wrong. */
  holder(peer: string): void {
    this.#list.addHolder(peer);
    if (this.#list.current === undefined && this.#blob.layout.size > this.#blob.partial.checkpointLength) void this.#askForList();
  }

  /**
   * A piece came whose bytes are what the statement says that came along. Once its signature is checked, this node answers for the piece
   * towards others, and they can trace it to its signer.
   */
  async fits(piece: number, statement: Statement): Promise<void> {
    const holds = await statementIsSigned(this.#network, this.#blob.digest, statement);
    const origin = this.#blob.provenance.get(piece);
    // Replaced, or thrown away meanwhile.
    if (this.#blob.over.aborted || origin?.statement !== statement || this.#blob.grade(piece) === Grade.missing) return;
    if (!holds) {
      this.contradictsItself(origin.sender!, piece);
      return;
    }
    this.#blob.partial.complete(piece, Grade.vouched);
    this.#listener.vouched([piece]);
  }

  /** A piece is here, and this is what a member that holds it says of it, whose signature is checked. */
  async confirm(piece: number, statement: Statement): Promise<void> {
    const hash = await this.#blob.hash(piece);
    const origin = this.#blob.provenance.get(piece);
    if (this.#blob.over.aborted || origin === undefined || origin.statement !== undefined) return;
    if (hash.equals(statement.sha256)) {
      this.#blob.provenance.set(piece, origin.sender, statement);
      await this.fits(piece, statement);
    } else if (origin.sender === statement.signer) {
      this.contradictsItself(statement.signer, piece);
    }
  }

  /** The sender brought a piece that is not what the statement says that it sent along: evidence without the blob being proven. */
  contradictsItself(sender: string, piece: number): void {
    this.#discardFrom(sender, piece).catch((error: unknown) => {
      if (!this.#blob.over.aborted) this.#listener.failed(error);
    });
  }

  /** All bytes are here and their digest is wrong: finds the wrong ones and replaces them, or discards them to be fetched again. */
  async settle(): Promise<void> {
    this.#settling ??= this.#settle().finally(() => {
      this.#settling = undefined;
      this.#blob.say?.('a dispute is over', { settlements: this.#settlements });
    });
    await this.#settling;
  }

  /** The blob is proven, and not yet under its name: what was suspicion can be settled. */
  async proven(): Promise<void> {
    await this.#accusations.judge();
  }

  /** As `SecondLook.lookAgain`. */
  async lookAgain(piece: number): Promise<Statement | undefined> {
    return await this.#second.lookAgain(piece);
  }

  async #settle(): Promise<void> {
    this.#blob.meter.stalled(false);
    // What was read again did not settle it: the origin may have served that badly, too. The first time, others may have asked before.
    if (this.#settlements++ > 0) this.#second.forget();
    await this.#askForList();
    if (await this.#settleDisagreements()) return;
    // Where nobody has proven it yet any of it may be wrong; what this disk changed is found without asking anybody.
    if (await this.#second.discardDamaged()) return;
    const checkpoints = Math.ceil(this.#blob.layout.size / this.#blob.partial.checkpointLength);
    for (let index = 0; index < checkpoints && this.#blob.partial.verdict !== true && !this.#blob.over.aborted; index++) {
      // Somebody may prove it meanwhile, and spare the rest.
      if (await this.#settleDisagreements()) return;
      await this.#readAgain(index);
    }
  }

  /** Takes up each checkpoint that the list contradicts, in order; false when there is none. */
  async #settleDisagreements(): Promise<boolean> {
    let settled = false;
    for (let bad = this.#list.firstDisagreement(); bad !== undefined && !this.#blob.over.aborted; bad = this.#list.firstDisagreement()) {
      settled = true;
      await this.#readAgain(bad, this.#list.current);
    }
    return settled;
  }

  #onCheckpoint(index: number, digest: Buffer): void {
    if (this.#list.current === undefined || this.#blob.over.aborted) return;
    if (!this.#list.agrees(index, digest)) {
      this.settle().catch((error: unknown) => {
        // Proven meanwhile, and closed: there is nothing left to settle.
        if (!this.#blob.over.aborted) this.#listener.failed(error);
      });
      return;
    }
    const [first, count] = this.#piecesOf(index);
    const closed = Math.min(this.#blob.layout.size, (index + 1) * this.#blob.partial.checkpointLength);
    const pieces = Array.from({ length: count }, (_, i) => first + i).filter((piece) => this.#blob.layout.range(piece).end <= closed);
    for (const piece of pieces) this.#blob.partial.complete(piece, Grade.vouched);
    this.#listener.vouched(pieces);
  }

  /**
   * Reads a checkpoint's range a second time; the pieces that differ are replaced, and whoever brought them is accused.
   * @param contradicts the list that agrees with everything before this checkpoint, and not with it
   */
  async #readAgain(checkpoint: number, contradicts?: PrefixList): Promise<void> {
    const [first, count] = this.#piecesOf(checkpoint);
    const disputed = this.#blob.partial.prefixDigests[checkpoint];
    let differing: boolean;
    try {
      differing = await this.#second.compare(first, count);
    } catch (error) {
      await this.#askAnother(checkpoint, error);
      return;
    }
    // What was wrong may have been replaced meanwhile; only bytes that stood all along speak against the list.
    const stood = disputed !== undefined && this.#blob.partial.prefixDigests[checkpoint]?.equals(disputed) === true;
    if (!differing && stood && contradicts !== undefined && this.#list.current === contradicts) {
      this.#accusations.list(contradicts);
      this.#list.drop();
    }
    if (this.#blob.over.aborted) return;
    await this.#blob.partial.advance();
    this.#listener.replaced();
  }

  #accuse(piece: number, bytes: Buffer): void {
    const { sender, statement } = this.#blob.provenance.get(piece) ?? {};
    const accused = statement?.signer ?? sender;
    if (accused === undefined) return;
    this.#accusations.piece(accused, piece, bytes, statement);
    if (accused === this.#network.self) return;
    this.#suspect(accused);
    this.#broughtWrong(accused);
  }

  #suspect(peer: string): void {
    if (!this.#suspects.has(peer)) this.#suspicions += 1;
    this.#suspects.add(peer);
    this.#listener.accused(peer);
  }

  /** The first time all have the same one read for them, also those who suspect it and it itself; whom it did not help believe less. */
  #readers(): string[] {
    const rivals = this.#listener.rivals();
    return this.#settlements > 1 ? rivals.filter((peer) => !this.#suspects.has(peer)) : rivals;
  }

  /** With the origin away: another holder's list says which side is wrong, the list at hand or the range. */
  async #askAnother(checkpoint: number, cause: unknown): Promise<void> {
    if (this.#list.current === undefined) throw cause;
    const mine = this.#blob.partial.prefixDigests[checkpoint];
    const second = await this.#list.second();
    if (mine !== undefined && second !== undefined && this.#list.agrees(checkpoint, mine, second)) {
      this.#list.replace(second);
      return;
    }
    const [first, count] = this.#piecesOf(checkpoint);
    const range = Array.from({ length: count }, (_, i) => first + i);
    const bringers = range.flatMap((piece) => this.#blob.provenance.get(piece)?.sender ?? []);
    if (new Set(bringers).size <= 1) {
      // A list that nobody confirms is believed once for each range: if what another sends contradicts it too, it is the list.
      if (second === undefined && this.#contradicted.has(checkpoint)) this.#list.drop();
      this.#contradicted.add(checkpoint);
    }
    const { doubted, cleared } = this.#doubts.next(checkpoint, bringers, this.#suspects);
    if (cleared !== undefined) {
      this.#suspects.delete(cleared);
      this.#listener.forgiven(cleared);
    }
    // Suspicion only: nothing more from it for this blob, and nothing of what it brought is kept that no list has confirmed.
    if (doubted !== undefined) this.#suspect(doubted);
    const thrown =
      doubted === undefined
        ? range
        : Array.from({ length: this.#blob.layout.pieceCount }, (_, piece) => piece).filter(
            (piece) =>
              this.#blob.provenance.get(piece)?.sender === doubted &&
              (this.#blob.grade(piece) === Grade.received || (piece >= first && piece < first + count)),
          );
    await this.#blob.discard(thrown);
    this.#listener.discarded(thrown);
  }

  async #discardFrom(sender: string, piece: number): Promise<void> {
    // Its own statement against its own bytes is evidence without the blob being proven.
    this.#broughtWrong(sender);
    this.#suspect(sender);
    await this.#blob.discard([piece]);
    this.#listener.discarded([piece]);
    if ((await this.#accusations.ownBytes(sender, piece)) && !this.#blob.over.aborted) this.#listener.forgiven(sender);
  }

  async #askForList(): Promise<void> {
    if (!(await this.#list.find())) return;
    if (!this.#blob.over.aborted) this.#blob.partial.prefixDigests.forEach((digest, index) => this.#onCheckpoint(index, digest));
  }

  /** Pieces that lie in a checkpoint's range, those at its edges included. */
  #piecesOf(checkpoint: number): [number, number] {
    const start = checkpoint * this.#blob.partial.checkpointLength;
    const end = Math.min(this.#blob.layout.size, start + this.#blob.partial.checkpointLength);
    const first = this.#blob.layout.pieceAt(start);
    return [first, this.#blob.layout.pieceAt(end - 1) - first + 1];
  }
}
