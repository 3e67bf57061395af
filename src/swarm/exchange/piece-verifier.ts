import { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { Grade, type PartialBlob } from '../../store/blob-store.ts';
import type { Network } from '../network/network.ts';
import type { BlobOrigin } from './blob-sources.ts';
import type { PieceLayout } from './core/piece-layout.ts';
import { parseList, type PrefixList } from './prefix-list.ts';
import type { Provenance } from './provenance.ts';
import { makeStatement, parseNote, statementHolds, statementIsSigned, type Statement } from './statement.ts';
import type { TransferMeter } from './transfer-meter.ts';

/** How long evidence bans for. */
const BAN_MS = 60 * 60 * 1000;
const LIST_TIMEOUT_MS = 5000;
/** The accused may have to read from the origin before it answers. */
const DISPUTE_TIMEOUT_MS = 20_000;
/** With nobody's list to compare, the members read again one after the other: the second only if the first is this slow. */
const TURN_MS = 3000;

export interface VerifierHooks {
  /** Pieces that agree with a signed list: they may be passed on. */
  vouched(pieces: number[]): void;
  /** Pieces that were thrown away and are wanted again. */
  discarded(pieces: number[]): void;
  /** This peer brought wrong bytes, as it seems: nothing more from it. */
  accused(peer: string): void;
  /** So many pieces that it is answerable for differ from what the origin gives, or from its own statement. */
  broughtWrong(peer: string, pieces: number): void;
  /** The dispute could not be settled. */
  failed(error: unknown): void;
  origin(): BlobOrigin | undefined;
  readonly repository: string;
  /** Members that fetch the same blob. */
  rivals(): string[];
  readonly meter: TransferMeter;
}

interface Accusation {
  readonly reason: string;
  /** What the accused signed; absent where its bytes came straight from it as a holder. */
  readonly statement: Statement | undefined;
}

/**
 * Finds which bytes of an unfinished blob are wrong, and who brought them. Compares the running hash with a signed list at each
 * checkpoint, and settles what does not agree by a second reading. Nobody is banned before the blob is proven: only then is it
 * certain which side was wrong.
 */
export class PieceVerifier {
  readonly #context: { readonly network: Network; now(): number };
  readonly #blob: Digest;
  readonly #partial: PartialBlob;
  readonly #layout: PieceLayout;
  readonly #provenance: Provenance;
  readonly #hooks: VerifierHooks;
  readonly #holders = new Set<string>();
  /** Who lied, if the blob turns out as this node now believes. */
  readonly #accused = new Map<string, Accusation>();
  #list: PrefixList | undefined;
  #asking = false;
  /** Checkpoints whose range was thrown away because an unconfirmed list said so. */
  readonly #contradicted = new Set<number>();
  #settling: Promise<void> | undefined;
  #stopped = false;

  constructor(
    context: { readonly network: Network; now(): number }, blob: Digest, partial: PartialBlob, layout: PieceLayout, provenance: Provenance, hooks: VerifierHooks,
  ) {
    this.#context = context;
    this.#blob = blob;
    this.#partial = partial;
    this.#layout = layout;
    this.#provenance = provenance;
    this.#hooks = hooks;
    partial.onCheckpoint = (index, digest) => this.#onCheckpoint(index, digest);
  }

  /** A member that has proven the blob: its list tells early what is wrong. */
  holder(peer: string): void {
    this.#holders.add(peer);
    if (this.#list === undefined && this.#layout.size > this.#partial.checkpointLength) void this.#askForList();
  }

  /**
   * Whether this node may answer for the piece towards others: it read it from the origin, a list agrees, or its bytes are what
   * their bringer signed. Checked once, when first asked for; so whoever sends what does not fit its statement is at fault itself.
   */
  async mayServe(piece: number): Promise<boolean> {
    if (this.#partial.grade(piece) === Grade.vouched) return true;
    const origin = this.#provenance.get(piece);
    if (origin === undefined) return false;
    const { start, end } = this.#layout.range(piece);
    if (origin.sender === undefined) {
      origin.statement ??= await makeStatement(this.#context.network, this.#blob, start, await this.#partial.read(start, end - start));
      return true;
    }
    if (origin.checked) return true;
    if (origin.statement === undefined) return false;
    if (await statementHolds(this.#context.network, this.#blob, origin.statement, await this.#partial.read(start, end - start))) {
      origin.checked = true;
      return true;
    }
    await this.#discardFrom(origin.sender, [piece], 'sent bytes that do not fit the statement that it sent with them');
    return false;
  }

  /** All bytes are here and their digest is wrong: finds the wrong ones and replaces them, or discards them to be fetched again. */
  async settle(): Promise<void> {
    this.#settling ??= this.#settle().finally(() => {
      this.#settling = undefined;
    });
    await this.#settling;
  }

  /** The unfinished blob is about to be closed: touches it no more. */
  stop(): void {
    this.#stopped = true;
  }

  /**
   * The blob is proven: what was suspicion can be settled. Whoever signed what proved wrong is asked to read it once more: an honest
   * member whom the origin served badly then says otherwise, and only one that stands by it is banned.
   */
  async proven(): Promise<void> {
    const accusations = [...this.#accused];
    this.#accused.clear();
    await Promise.all(accusations.map(async ([peer, { reason, statement }]) => {
      if (statement === undefined || (await this.#standsBy(peer, statement))) this.#context.network.ban(peer, reason, this.#context.now() + BAN_MS);
    }));
  }

  async #standsBy(peer: string, wrong: Statement): Promise<boolean> {
    const piece = this.#layout.pieceAt(wrong.start);
    try {
      const answer = await this.#context.network.request(
        peer, { type: 'dispute', blob: this.#blob.toString(), runs: [[piece, 1]] }, 'statements', { timeoutMs: DISPUTE_TIMEOUT_MS },
      );
      for (const note of answer.statements) {
        const [again] = parseNote(note);
        if (again === undefined || again.signer !== peer || again.start !== wrong.start) continue;
        if (await statementIsSigned(this.#context.network, this.#blob, again)) return again.sha256.equals(wrong.sha256);
      }
    } catch {
      // Gone, or it has nothing to say: suspicion, not evidence.
    }
    return false;
  }

  async #settle(): Promise<void> {
    this.#hooks.meter.stalled(false);
    if (await this.#checkStatements(0, this.#layout.pieceCount)) return;
    await this.#askForList();
    if (await this.#settleDisagreements()) return;
    // Nobody has proven it yet. The members take turns, so that one reads again and the others get its list.
    const turn = [this.#context.network.self, ...this.#hooks.rivals()].sort().indexOf(this.#context.network.self);
    const until = this.#context.now() + turn * TURN_MS;
    while (this.#context.now() < until && this.#holders.size === 0) await new Promise((resolve) => setTimeout(resolve, 50));
    await this.#askForList();
    if (await this.#settleDisagreements()) return;
    const checkpoints = Math.ceil(this.#layout.size / this.#partial.checkpointLength);
    for (let index = 0; index < checkpoints; index++) {
      // Somebody may prove it meanwhile, and spare the rest.
      if (await this.#settleDisagreements()) return;
      await this.#readAgain(index);
    }
  }

  /** Takes up each checkpoint that the list contradicts, in order; false when there is none. */
  async #settleDisagreements(): Promise<boolean> {
    let settled = false;
    for (let bad = this.#firstDisagreement(); bad !== undefined && !this.#stopped; bad = this.#firstDisagreement()) {
      settled = true;
      await this.#readAgain(bad, this.#list);
    }
    return settled;
  }

  #onCheckpoint(index: number, digest: Buffer): void {
    const list = this.#list;
    if (list === undefined || this.#stopped) return;
    if (!this.#agrees(list, index, digest)) {
      this.settle().catch((error: unknown) => this.#hooks.failed(error));
      return;
    }
    const [first, count] = this.#piecesOf(index);
    const closed = Math.min(this.#layout.size, (index + 1) * this.#partial.checkpointLength);
    const pieces = Array.from({ length: count }, (_, i) => first + i).filter((piece) => this.#layout.range(piece).end <= closed);
    for (const piece of pieces) this.#partial.complete(piece, Grade.vouched);
    this.#hooks.vouched(pieces);
  }

  #firstDisagreement(): number | undefined {
    const list = this.#list;
    if (list === undefined) return undefined;
    const index = this.#partial.prefixDigests.findIndex((digest, i) => !this.#agrees(list, i, digest));
    return index < 0 ? undefined : index;
  }

  #agrees(list: PrefixList, index: number, digest: Buffer): boolean {
    // Lists of another checkpoint length can be compared only at their last entry, which is the blob's own digest.
    return list.checkpointLength !== this.#partial.checkpointLength || list.digests[index]!.equals(digest);
  }

  /**
   * Reads a checkpoint's range a second time; the pieces that differ are replaced, and whoever brought them is accused.
   * @param contradicts the list that agrees with everything before this checkpoint, and not with it
   */
  async #readAgain(checkpoint: number, contradicts?: PrefixList): Promise<void> {
    const [first, count] = this.#piecesOf(checkpoint);
    if (await this.#checkStatements(first, count)) return;
    const disputed = this.#partial.prefixDigests[checkpoint];
    const origin = this.#hooks.origin();
    let differing = 0;
    try {
      if (origin === undefined) throw new LayerswarmError('origin-unknown', 'no origin can be read');
      for (let piece = first; piece < first + count; piece++) if (await this.#replaceIfDifferent(origin, piece)) differing++;
    } catch (error) {
      await this.#askAnother(checkpoint, error);
      return;
    }
    // What was wrong may have been replaced meanwhile; only bytes that stood all along speak against the list.
    const stood = disputed !== undefined && this.#partial.prefixDigests[checkpoint]?.equals(disputed) === true;
    if (differing === 0 && stood && contradicts !== undefined && this.#list === contradicts) this.#dropList('signed a list of prefix digests that accuses honest senders');
    await this.#partial.advance();
  }

  async #replaceIfDifferent(origin: BlobOrigin, piece: number): Promise<boolean> {
    const { start, end } = this.#layout.range(piece);
    const chunks: Uint8Array[] = [];
    for await (const chunk of origin.readBlob(this.#hooks.repository, this.#blob, { start, end })) chunks.push(chunk);
    const again = Buffer.concat(chunks);
    this.#hooks.meter.fromOrigin(again.length);
    if (again.equals(await this.#partial.read(start, end - start))) return false;
    this.#accuse(piece);
    // First of all: bytes that change must not go out with the statement of those before.
    this.#provenance.delete(piece);
    await this.#partial.discard([piece]);
    await this.#partial.write(start, again);
    this.#partial.complete(piece, Grade.origin);
    this.#provenance.set(piece, undefined, undefined);
    return true;
  }

  #accuse(piece: number): void {
    const { sender, statement } = this.#provenance.get(piece) ?? {};
    const accused = statement?.signer ?? sender;
    if (accused === undefined || accused === this.#context.network.self) return;
    this.#accused.set(accused, { reason: 'brought bytes into the swarm that are not the blob\'s', statement });
    this.#hooks.accused(accused);
    this.#hooks.broughtWrong(accused, 1);
  }

  #dropList(reason: string | undefined): void {
    if (this.#list === undefined) return;
    if (reason !== undefined) this.#accused.set(this.#list.signer, { reason, statement: undefined });
    this.#holders.delete(this.#list.signer);
    this.#list = undefined;
  }

  /** With the origin away: another holder's list says which side is wrong, the list at hand or the range. */
  async #askAnother(checkpoint: number, cause: unknown): Promise<void> {
    if (this.#list === undefined) throw cause;
    const mine = this.#partial.prefixDigests[checkpoint];
    const second = await this.#fetchList(this.#list.signer);
    if (mine !== undefined && second !== undefined && this.#agrees(second, checkpoint, mine)) {
      this.#list = second;
      return;
    }
    // A list that nobody confirms is believed once for each range: if what another sends contradicts it too, it is the list.
    if (second === undefined && this.#contradicted.has(checkpoint)) this.#dropList(undefined);
    this.#contradicted.add(checkpoint);
    const [first, count] = this.#piecesOf(checkpoint);
    const pieces = Array.from({ length: count }, (_, i) => first + i);
    for (const piece of pieces) {
      const sender = this.#provenance.get(piece)?.sender;
      // Suspicion only: nothing more from it for this blob.
      if (sender !== undefined) this.#hooks.accused(sender);
      this.#provenance.delete(piece);
    }
    await this.#partial.discard(pieces);
    this.#hooks.discarded(pieces);
  }

  /** True when some pieces did not fit the statements that came with them, and were thrown away. */
  async #checkStatements(first: number, count: number): Promise<boolean> {
    let thrown = false;
    for (let piece = first; piece < first + count; piece++) {
      const origin = this.#provenance.get(piece);
      if (origin?.sender === undefined || origin.statement === undefined || origin.checked) continue;
      if (!(await this.mayServe(piece)) && this.#provenance.get(piece) === undefined) thrown = true;
    }
    return thrown;
  }

  async #discardFrom(sender: string, pieces: number[], reason: string): Promise<void> {
    // Its own statement against its own bytes is evidence without the blob being proven.
    this.#hooks.broughtWrong(sender, pieces.length);
    this.#context.network.ban(sender, reason, this.#context.now() + BAN_MS);
    await this.#partial.discard(pieces);
    for (const piece of pieces) this.#provenance.delete(piece);
    this.#hooks.discarded(pieces);
  }

  async #askForList(): Promise<void> {
    if (this.#asking || this.#list !== undefined) return;
    this.#asking = true;
    try {
      this.#list = await this.#fetchList();
    } finally {
      this.#asking = false;
    }
    if (!this.#stopped) this.#partial.prefixDigests.forEach((digest, index) => this.#onCheckpoint(index, digest));
  }

  /** The first holder's list that is one; holders that have none to give are not asked again. */
  async #fetchList(except?: string): Promise<PrefixList | undefined> {
    const { network } = this.#context;
    for (const holder of this.#holders) {
      if (holder === except || network.peer(holder) === undefined) continue;
      try {
        const message = await network.request(holder, { type: 'get-list', blob: this.#blob.toString() }, 'list', { timeoutMs: LIST_TIMEOUT_MS });
        return await parseList(network, holder, this.#blob, this.#layout.size, message);
      } catch {
        this.#holders.delete(holder);
      }
    }
    return undefined;
  }

  /** Pieces that lie in a checkpoint's range, those at its edges included. */
  #piecesOf(checkpoint: number): [number, number] {
    const start = checkpoint * this.#partial.checkpointLength;
    const end = Math.min(this.#layout.size, start + this.#partial.checkpointLength);
    const first = this.#layout.pieceAt(start);
    return [first, this.#layout.pieceAt(end - 1) - first + 1];
  }
}
