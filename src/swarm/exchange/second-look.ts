import { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { Grade, type PartialBlob } from '../../store/blob-store.ts';
import type { BlobNetwork } from '../network/network.ts';
import type { BlobOrigin } from '../swarm.ts';
import type { PieceLayout } from './core/piece-layout.ts';
import type { Provenance } from './provenance.ts';
import { SecondReading } from './second-reading.ts';
import { makeStatement, sha256, type Statement } from './statement.ts';
import type { TransferMeter } from './transfer-meter.ts';

export interface SecondLookHooks {
  /** Pieces that agree with a signed list, or with what the origin gives: they may be passed on. */
  vouched(pieces: number[]): void;
  /** Pieces that were thrown away and are wanted again. */
  discarded(pieces: number[]): void;
  /** Pieces have other bytes than before: the hash has to go on. */
  replaced(): void;
  origin(): BlobOrigin | undefined;
  readonly repository: string;
  readonly meter: TransferMeter;
}

export interface SecondLookParts {
  readonly network: BlobNetwork;
  readonly blob: Digest;
  readonly partial: PartialBlob;
  readonly layout: PieceLayout;
  readonly provenance: Provenance;
  readonly hooks: SecondLookHooks;
  /** Members that may be asked to read the origin for all, in the order in which everybody asks them. */
  readers(): string[];
  /** These bytes of a piece were other than what the origin gives now. */
  accuse(piece: number, bytes: Buffer): void;
}

/** Pieces are read from the origin a second time, by one member for all who doubt them; what differs is replaced. */
export class SecondLook {
  readonly #parts: SecondLookParts;
  readonly #reading: SecondReading;
  /** What this node said after its own second reading of pieces, for all who dispute them. */
  readonly #lookedAgain = new Map<number, Promise<Statement | undefined>>();
  #stopped = false;

  constructor(parts: SecondLookParts) {
    this.#parts = parts;
    this.#reading = new SecondReading(parts.network, parts.blob, parts.layout, () => parts.readers());
  }

  /** The unfinished blob is about to be closed: touches it no more. */
  stop(): void {
    this.#stopped = true;
  }

  /** The next look is at the origin again. */
  forget(): void {
    this.#lookedAgain.clear();
  }

  /** What the origin says of a piece when it is read once more, signed; undefined when it cannot be. Read once for all who ask. */
  async lookAgain(piece: number): Promise<Statement | undefined> {
    if (await this.#isDamaged(piece)) return undefined;
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

  /** The bytes on the disk are not those that came any more: they are thrown away, and nothing is said of them. */
  async #isDamaged(piece: number): Promise<boolean> {
    const statement = this.#parts.provenance.get(piece)?.statement;
    if (statement === undefined || this.#stopped || this.#parts.partial.grade(piece) === Grade.missing) return false;
    if (sha256(await this.read(piece)).equals(statement.sha256) || this.#parts.provenance.get(piece)?.statement !== statement) return false;
    this.#parts.provenance.delete(piece);
    await this.#parts.partial.discard([piece]);
    this.#parts.hooks.discarded([piece]);
    return true;
  }

  /** Compares pieces with another reading of the origin, by one member for all; true when some were replaced or thrown away. */
  async compare(first: number, count: number): Promise<boolean> {
    const { network } = this.#parts;
    const before = await this.#hashes(first, count);
    for (const reader of this.#reading.readers(first)) {
      if (reader === network.self) break;
      const said = await this.#reading.ask(reader, first, count).catch(() => undefined);
      if (said === undefined) continue;
      const differing = said.filter(
        (statement, i) => this.#parts.partial.grade(first + i) !== Grade.missing && !statement.sha256.equals(before[i]!),
      );
      for (const statement of differing) await this.#replaceFrom(this.#parts.layout.pieceAt(statement.start), statement);
      return differing.length > 0;
    }
    if (this.#parts.hooks.origin() === undefined) throw new LayerswarmError('origin-unknown', 'no origin can be read');
    for (let piece = first; piece < first + count; piece++) await this.lookAgain(piece);
    const after = await this.#hashes(first, count);
    return after.some((hash, i) => !hash.equals(before[i]!));
  }

  async #hashes(first: number, count: number): Promise<Buffer[]> {
    return await Promise.all(
      Array.from({ length: count }, async (_, i) => {
        const { start, end } = this.#parts.layout.range(first + i);
        return sha256(await this.#parts.partial.read(start, end - start));
      }),
    );
  }

  async #lookAgain(piece: number): Promise<Statement | undefined> {
    const origin = this.#parts.hooks.origin();
    if (origin === undefined || piece >= this.#parts.layout.pieceCount) return undefined;
    const { start, end } = this.#parts.layout.range(piece);
    const chunks: Uint8Array[] = [];
    for await (const chunk of origin.readBlob(this.#parts.hooks.repository, this.#parts.blob, { start, end })) chunks.push(chunk);
    const again = Buffer.concat(chunks);
    this.#parts.hooks.meter.fromOrigin(again.length);
    if (again.length !== end - start) return undefined;
    const statement = await makeStatement(this.#parts.network, this.#parts.blob, start, again);
    if (!this.#stopped && this.#parts.partial.grade(piece) !== Grade.missing) {
      await this.#replace(piece, again, undefined, statement);
      if (!this.#stopped) this.#parts.hooks.replaced();
    }
    return statement;
  }

  /** Takes the bytes of a piece from the member that has read it again; wants them from anybody when that does not give them. */
  async #replaceFrom(piece: number, statement: Statement): Promise<void> {
    const bytes = await this.#reading.bytes(statement);
    if (this.#stopped) return;
    if (bytes !== undefined) {
      await this.#replace(piece, bytes, statement.signer, statement);
      return;
    }
    this.#parts.accuse(piece, await this.read(piece));
    this.#parts.provenance.delete(piece);
    await this.#parts.partial.discard([piece]);
    this.#parts.hooks.discarded([piece]);
  }

  /** `sender` undefined: this node read it from the origin itself. */
  async #replace(piece: number, bytes: Buffer, sender: string | undefined, statement: Statement): Promise<void> {
    const was = await this.read(piece);
    // Proven meanwhile: whatever says otherwise is wrong.
    if (this.#stopped || this.#parts.partial.verdict === true) return;
    const grade = sender === undefined ? Grade.origin : Grade.received;
    if (!was.equals(bytes)) {
      this.#parts.accuse(piece, was);
      // First of all: bytes that change must not go out with the statement of those before.
      this.#parts.provenance.delete(piece);
      await this.#parts.partial.discard([piece]);
      await this.#parts.partial.write(this.#parts.layout.range(piece).start, bytes);
    }
    this.#parts.partial.complete(piece, grade);
    this.#parts.provenance.set(piece, sender, statement);
    this.#parts.hooks.vouched([piece]);
  }

  async read(piece: number): Promise<Buffer> {
    const { start, end } = this.#parts.layout.range(piece);
    return await this.#parts.partial.read(start, end - start);
  }
}
