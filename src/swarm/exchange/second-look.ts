import { LayerswarmError } from '../../errors.ts';
import { Grade } from '../../store/blob-store.ts';
import type { BlobNetwork } from '../network/network.ts';
import { SecondReading } from './second-reading.ts';
import { makeStatement, type Statement } from './statement.ts';
import type { UnfinishedBlob } from './unfinished-blob.ts';

/** Whoever has to know what becomes of pieces that are doubted. */
export interface SecondLookListener {
  /** Pieces that agree with a signed list, or with what the origin gives: they may be passed on. */
  vouched(pieces: number[]): void;
  /** Pieces that were thrown away and are wanted again. */
  discarded(pieces: number[]): void;
  /** Pieces have other bytes than before: the hash has to go on. */
  replaced(): void;
}

/** Whom a second look asks, and whom it speaks against. */
export interface SecondLookCourt {
  /** Members that may be asked to read the origin for all, in the order in which everybody asks them. */
  readers(): string[];
  /** These bytes of a piece were other than what the origin gives now. */
  accuse(piece: number, bytes: Buffer): void;
}

/** Pieces are read from the origin a second time, by one member for all who doubt them; what differs is replaced. */
export class SecondLook {
  readonly #network: BlobNetwork;
  readonly #blob: UnfinishedBlob;
  readonly #listener: SecondLookListener;
  readonly #court: SecondLookCourt;
  readonly #reading: SecondReading;
  /** What this node said after its own second reading of pieces, for all who dispute them. */
  readonly #lookedAgain = new Map<number, Promise<Statement | undefined>>();

  constructor(network: BlobNetwork, blob: UnfinishedBlob, listener: SecondLookListener, court: SecondLookCourt) {
    this.#network = network;
    this.#blob = blob;
    this.#listener = listener;
    this.#court = court;
    this.#reading = new SecondReading(network, blob, () => court.readers());
  }

  /** The next look is at the origin again. */
  forget(): void {
    this.#lookedAgain.clear();
  }

  /** What the origin says of a piece when it is read once more, signed; undefined when it cannot be. Read once for all who ask. */
  async lookAgain(piece: number): Promise<Statement | undefined> {
    if (await this.#discardIfDamaged(piece)) return undefined;
    let reading = this.#lookedAgain.get(piece);
    if (reading === undefined) {
      reading = this.#lookAgain(piece);
      this.#lookedAgain.set(piece, reading);
      // It can be tried again.
      reading.catch(() => {
        this.#lookedAgain.delete(piece);
      });
    }
    return await reading;
  }

  /** Throws away all that this disk holds otherwise than it came, as far as a statement says how that was; true where there was any. */
  async discardDamaged(): Promise<boolean> {
    let damaged = false;
    for (let piece = 0; piece < this.#blob.layout.pieceCount; piece++) if (await this.#discardIfDamaged(piece)) damaged = true;
    return damaged;
  }

  /** Compares pieces with another reading of the origin, by one member for all; true when some were replaced or thrown away. */
  async compare(first: number, count: number): Promise<boolean> {
    const statements = this.#statements(first, count);
    const before = await this.#hashes(first, count);
    if (await this.#discardThose(first, statements, before)) return true;
    for (const reader of this.#reading.readers(first)) {
      if (reader === this.#network.self) break;
      const said = await this.#reading.ask(reader, first, count).catch(() => undefined);
      if (said === undefined) continue;
      const differing = said.filter(
        (statement, i) => this.#blob.grade(first + i) !== Grade.missing && !statement.sha256.equals(before[i]!),
      );
      for (const statement of differing) await this.#replaceFrom(this.#blob.layout.pieceAt(statement.start), statement);
      return differing.length > 0;
    }
    if (this.#blob.origin.usable === undefined) throw new LayerswarmError('origin-unknown', 'no origin can be read');
    for (let piece = first; piece < first + count; piece++) await this.lookAgain(piece);
    const after = await this.#hashes(first, count);
    return after.some((hash, i) => !hash.equals(before[i]!));
  }

  /**
   * Where the bytes on the disk are not those any more that came with a statement, this node's disk is at fault: they are thrown away, and
   * nothing is said of them. True where there were any.
   * @param statements of the pieces from `first` on, from before these were hashed: what was replaced meanwhile has another one
   */
  async #discardThose(first: number, statements: readonly (Statement | undefined)[], hashes: readonly Buffer[]): Promise<boolean> {
    if (this.#blob.over.aborted) return false;
    const damaged = hashes.flatMap((hash, i) => {
      const statement = statements[i];
      const stood = statement !== undefined && this.#blob.provenance.get(first + i)?.statement === statement;
      return stood && this.#blob.grade(first + i) !== Grade.missing && !hash.equals(statement.sha256) ? [first + i] : [];
    });
    if (damaged.length === 0) return false;
    await this.#blob.discard(damaged);
    this.#listener.discarded(damaged);
    return true;
  }

  async #discardIfDamaged(piece: number): Promise<boolean> {
    const statements = this.#statements(piece, 1);
    if (statements[0] === undefined || this.#blob.over.aborted) return false;
    return await this.#discardThose(piece, statements, await this.#hashes(piece, 1));
  }

  #statements(first: number, count: number): (Statement | undefined)[] {
    return Array.from({ length: count }, (_, i) => this.#blob.provenance.get(first + i)?.statement);
  }

  async #hashes(first: number, count: number): Promise<Buffer[]> {
    return await Promise.all(Array.from({ length: count }, (_, i) => this.#blob.hash(first + i)));
  }

  async #lookAgain(piece: number): Promise<Statement | undefined> {
    const { digest, layout, meter, origin, over, repository } = this.#blob;
    const source = origin.usable;
    if (source === undefined || piece >= layout.pieceCount) return undefined;
    const { start, end } = layout.range(piece);
    const chunks: Uint8Array[] = [];
    for await (const chunk of source.readBlob(repository, digest, { start, end })) chunks.push(chunk);
    const again = Buffer.concat(chunks);
    meter.fromOrigin(again.length);
    if (again.length !== end - start) return undefined;
    const statement = await makeStatement(this.#network, digest, start, again);
    if (!over.aborted && this.#blob.grade(piece) !== Grade.missing) {
      await this.#replace(piece, again, undefined, statement);
      if (!over.aborted) this.#listener.replaced();
    }
    return statement;
  }

  /** Takes the bytes of a piece from the member that has read it again; wants them from anybody when that does not give them. */
  async #replaceFrom(piece: number, statement: Statement): Promise<void> {
    const bytes = await this.#reading.bytes(statement);
    if (this.#blob.over.aborted) return;
    if (bytes !== undefined) {
      await this.#replace(piece, bytes, statement.signer, statement);
      return;
    }
    this.#court.accuse(piece, await this.#blob.read(piece));
    await this.#blob.discard([piece]);
    this.#listener.discarded([piece]);
  }

  /** `sender` undefined: this node read it from the origin itself. */
  async #replace(piece: number, bytes: Buffer, sender: string | undefined, statement: Statement): Promise<void> {
    const { layout, over, partial, provenance } = this.#blob;
    const was = await this.#blob.read(piece);
    // Proven meanwhile: whatever says otherwise is wrong.
    if (over.aborted || partial.verdict === true) return;
    if (!was.equals(bytes)) {
      this.#court.accuse(piece, was);
      await this.#blob.discard([piece]);
      await partial.write(layout.range(piece).start, bytes);
    }
    partial.complete(piece, sender === undefined ? Grade.origin : Grade.received);
    provenance.set(piece, sender, statement);
    this.#listener.vouched([piece]);
  }
}
