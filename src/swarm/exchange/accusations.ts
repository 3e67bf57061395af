import { errorCode } from '../../errors.ts';
import { BAN_REASONS } from '../network/ban-reasons.ts';
import type { PrefixList } from './prefix-list.ts';
import { parseNote, sha256, statementIsSigned, type Statement } from './statement.ts';
import type { TransferContext } from './transfer-context.ts';
import type { UnfinishedBlob } from './unfinished-blob.ts';

/** How long evidence bans for. */
export const BAN_MS = 60 * 60 * 1000;
/** The accused may have to read from the origin before it answers. */
export const DISPUTE_TIMEOUT_MS = 20_000;
/** Ranges of one blob, apart from each other, that an origin may give wrong to one member and right to all others. */
const MAX_UNLUCKY_RANGES = 7;

interface PieceClaim {
  readonly piece: number;
  readonly sha256: Buffer;
  /** Absent where the bytes came straight from the accused as a holder. */
  readonly statement: Statement | undefined;
}

/** Whom a dispute over one blob speaks against. Nobody is banned before the blob is proven: only then is it certain who was wrong. */
export class Accusations {
  readonly #context: TransferContext;
  readonly #blob: UnfinishedBlob;
  readonly #begunAt: number;
  readonly #lists: PrefixList[] = [];
  readonly #pieces = new Map<string, PieceClaim[]>();

  constructor(context: TransferContext, blob: UnfinishedBlob) {
    this.#context = context;
    this.#blob = blob;
    this.#begunAt = context.now();
  }

  /** The piece that it brought differs from what another reading gave. The accused may be this node: then the origin served it badly. */
  piece(accused: string, piece: number, bytes: Uint8Array, statement: Statement | undefined): void {
    // What was signed came like that; this disk may hold something else by now.
    const claim: PieceClaim = { piece, sha256: statement?.sha256 ?? sha256(bytes), statement };
    const claims = this.#pieces.get(accused);
    if (claims === undefined) this.#pieces.set(accused, [claim]);
    else claims.push(claim);
  }

  /** Its list differs from bytes that another reading confirmed. */
  list(list: PrefixList): void {
    this.#lists.push(list);
  }

  /** It sent bytes that do not fit the statement that it sent with them. True when its disk was at fault, and it has seen to that. */
  async ownBytes(accused: string, piece: number): Promise<boolean> {
    return await this.#sentenceHolder(accused, piece, { mayBeMine: false });
  }

  /**
   * The blob is proven, and not yet under its name. A claim that it bears out is forgotten. Whoever signed what proved wrong is told, and
   * asked to read it once more: one that stands by it is banned, and so is one that says otherwise now, but was wrong where the origin
   * gave right bytes to everybody else, more than an origin's bad moment explains.
   */
  async judge(): Promise<void> {
    const [lists, pieces] = [this.#lists.splice(0), [...this.#pieces]];
    this.#pieces.clear();
    for (const list of lists) if (!this.#isTrueList(list)) this.#ban(list.signer, BAN_REASONS.wrongList);
    const wrong = new Map<string, PieceClaim[]>();
    for (const [accused, its] of pieces) {
      const contradicted: PieceClaim[] = [];
      for (const claim of its) if (!(await this.#isTruePiece(claim))) contradicted.push(claim);
      if (contradicted.length > 0) wrong.set(accused, contradicted);
    }
    const signers = new Set(
      [...wrong].filter(([, its]) => its.some(({ statement }) => statement !== undefined)).map(([accused]) => accused),
    );
    const othersSigned = new Set([this.#context.network.self, ...this.#blob.provenance.signers()]);
    for (const [accused, its] of wrong) {
      if (accused === this.#context.network.self) {
        this.#strike(accused, []);
        continue;
      }
      const direct = its.filter(({ statement }) => statement === undefined);
      if (direct.length > 0) void this.#sentenceHolder(accused, direct[0]!.piece, { mayBeMine: direct.length === 1 });
      const signed = its.filter((claim): claim is PieceClaim & { statement: Statement } => claim.statement !== undefined);
      if (signed.length > 0) void this.#sentenceSigner(accused, signed, this.#originIsBad(accused, signers, othersSigned), othersSigned);
    }
  }

  #isTrueList(list: PrefixList): boolean {
    const { partial } = this.#blob;
    return (
      list.checkpointLength !== partial.checkpointLength || partial.prefixDigests.every((digest, i) => list.digests[i]!.equals(digest))
    );
  }

  async #isTruePiece(claim: PieceClaim): Promise<boolean> {
    return (await this.#blob.hash(claim.piece)).equals(claim.sha256);
  }

  /** What the origin gave others was wrong as well: this node itself, or half of those who read from it. */
  #originIsBad(accused: string, wrong: ReadonlySet<string>, signed: ReadonlySet<string>): boolean {
    if (wrong.has(this.#context.network.self)) return true;
    const others = new Set([...signed, ...wrong]);
    others.delete(accused);
    const wrongOthers = [...others].filter((other) => wrong.has(other)).length;
    return wrongOthers > 0 && wrongOthers * 2 >= others.size;
  }

  /** Whoever signed pieces that it said it had read from the origin. */
  async #sentenceSigner(
    accused: string,
    claims: readonly (PieceClaim & { statement: Statement })[],
    originIsBad: boolean,
    others: Iterable<string>,
  ): Promise<void> {
    const [{ piece, statement: wrong }] = claims as [PieceClaim & { statement: Statement }];
    const now = await this.#askAgain(accused, piece);
    const standsBy = typeof now === 'object' && now.sha256.equals(wrong.sha256);
    const tooMany = !originIsBad && rangesOf(claims.map((claim) => claim.piece)) > MAX_UNLUCKY_RANGES;
    if (!standsBy && !tooMany && (originIsBad || !this.#strike(accused, others))) return;
    this.#ban(accused, BAN_REASONS.wrongPieces);
  }

  /**
   * Whoever sent bytes of its own copy. One whose disk is wrong says that it has the piece no more; a right copy gives no wrong bytes.
   * @param options.mayBeMine this node's own disk may have changed them since: nothing that came along says what they were
   */
  async #sentenceHolder(accused: string, piece: number, { mayBeMine }: { mayBeMine: boolean }): Promise<boolean> {
    const now = await this.#askAgain(accused, piece);
    const isBanned =
      (typeof now === 'object' && !mayBeMine) ||
      this.#strike(accused, [this.#context.network.self, ...this.#context.network.peers().map(({ peerId }) => peerId)]);
    if (isBanned) this.#ban(accused, BAN_REASONS.wrongCopy);
    return !isBanned && now === 'nothing';
  }

  #strike(accused: string, others: Iterable<string>): boolean {
    return this.#context.strikes.add(accused, this.#begunAt, others, this.#context.now());
  }

  #ban(peer: string, reason: string): void {
    this.#context.network.ban(peer, reason, this.#context.now() + BAN_MS);
  }

  /** What it says of a piece now: its statement, that it has nothing to say (`nothing`), or no answer (`silence`). */
  async #askAgain(peer: string, piece: number): Promise<Statement | 'nothing' | 'silence'> {
    const { network } = this.#context;
    const { digest, layout } = this.#blob;
    const { start } = layout.range(piece);
    try {
      const answer = await network.request(peer, { type: 'dispute', blob: digest.toString(), runs: [[piece, 1]] }, 'statements', {
        timeoutMs: DISPUTE_TIMEOUT_MS,
      });
      for (const note of answer.statements) {
        const [again] = parseNote(note);
        if (again === undefined || again.signer !== peer || again.start !== start) continue;
        if (await statementIsSigned(network, digest, again)) return again;
      }
      return 'silence';
    } catch (error) {
      return errorCode(error) === 'not-found' ? 'nothing' : 'silence';
    }
  }
}

/** Ranges without a gap that the pieces make up. */
function rangesOf(pieces: readonly number[]): number {
  const known = new Set(pieces);
  return [...known].filter((piece) => !known.has(piece - 1)).length;
}
