import { createHash } from 'node:crypto';
import type { Digest } from '../../oci/digest.ts';
import type { PartialBlob } from '../../store/blob-store.ts';
import type { BlobNetwork } from '../network/network.ts';
import type { PieceLayout } from './core/piece-layout.ts';
import type { PrefixList } from './prefix-list.ts';
import { parseNote, statementIsSigned, type Statement } from './statement.ts';

/** How long evidence bans for. */
export const BAN_MS = 60 * 60 * 1000;
/** The accused may have to read from the origin before it answers. */
export const DISPUTE_TIMEOUT_MS = 20_000;

/** What somebody is answerable for; evidence as soon as the proven blob contradicts it. */
type Claim =
  | { readonly kind: 'list'; readonly list: PrefixList }
  /** `statement`: absent where the bytes came straight from the accused as a holder. */
  | { readonly kind: 'piece'; readonly piece: number; readonly sha256: Buffer; readonly statement: Statement | undefined };

/** Whom a dispute over one blob speaks against. Nobody is banned before the blob is proven: only then is it certain who was wrong. */
export class Accusations {
  readonly #context: { readonly network: BlobNetwork; now(): number };
  readonly #blob: Digest;
  readonly #partial: PartialBlob;
  readonly #layout: PieceLayout;
  readonly #claims = new Map<string, Claim[]>();

  constructor(context: { readonly network: BlobNetwork; now(): number }, blob: Digest, partial: PartialBlob, layout: PieceLayout) {
    this.#context = context;
    this.#blob = blob;
    this.#partial = partial;
    this.#layout = layout;
  }

  /** The piece that it brought differs from what another reading gave. */
  piece(accused: string, piece: number, bytes: Uint8Array, statement: Statement | undefined): void {
    this.#add(accused, { kind: 'piece', piece, sha256: sha256(bytes), statement });
  }

  /** Its list differs from bytes that another reading confirmed. */
  list(list: PrefixList): void {
    this.#add(list.signer, { kind: 'list', list });
  }

  /**
   * The blob is proven, and not yet under its name. A claim that it bears out is forgotten. Whoever signed what proved wrong is asked,
   * after this, to read it once more: an honest member whom the origin served badly then says otherwise, and only one that stands by
   * it is banned.
   */
  async judge(): Promise<void> {
    const claims = [...this.#claims];
    this.#claims.clear();
    for (const [accused, its] of claims) {
      for (const claim of its) {
        if (await this.#isTrue(claim)) continue;
        void this.#sentence(accused, claim);
        break;
      }
    }
  }

  #add(accused: string, claim: Claim): void {
    const claims = this.#claims.get(accused);
    if (claims === undefined) this.#claims.set(accused, [claim]);
    else claims.push(claim);
  }

  async #isTrue(claim: Claim): Promise<boolean> {
    if (claim.kind === 'list') return claim.list.checkpointLength !== this.#partial.checkpointLength || this.#partial.prefixDigests.every((digest, i) => claim.list.digests[i]!.equals(digest));
    const { start, end } = this.#layout.range(claim.piece);
    return sha256(await this.#partial.read(start, end - start)).equals(claim.sha256);
  }

  async #sentence(accused: string, claim: Claim): Promise<void> {
    if (claim.kind === 'piece' && claim.statement !== undefined && !(await this.#standsBy(accused, claim.piece, claim.statement))) return;
    const reason = claim.kind === 'list' ? 'signed a list of prefix digests that accuses honest senders' : 'brought bytes into the swarm that are not the blob\'s';
    this.#context.network.ban(accused, reason, this.#context.now() + BAN_MS);
  }

  async #standsBy(peer: string, piece: number, wrong: Statement): Promise<boolean> {
    const { network } = this.#context;
    try {
      const answer = await network.request(peer, { type: 'dispute', blob: this.#blob.toString(), runs: [[piece, 1]] }, 'statements', { timeoutMs: DISPUTE_TIMEOUT_MS });
      for (const note of answer.statements) {
        const [again] = parseNote(note);
        if (again === undefined || again.signer !== peer || again.start !== wrong.start) continue;
        if (await statementIsSigned(network, this.#blob, again)) return again.sha256.equals(wrong.sha256);
      }
    } catch {
      // Gone, or it has nothing to say: suspicion, not evidence.
    }
    return false;
  }
}

export function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
