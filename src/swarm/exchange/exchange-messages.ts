import { LayerswarmError } from '../../errors.ts';
import { Digest } from '../../oci/digest.ts';
import type { BlobNetwork, Peer } from '../network/network.ts';
import type { Holding, Message, MessageOf } from '../protocol/message.ts';
import { MAX_INLINE_BYTES } from '../protocol/word.ts';
import type { BlobServer } from './blob-server.ts';
import type { Coordinators } from './coordinators.ts';
import { runWork, WORK, type CountedHandlers } from './counted-handlers.ts';
import { pieceLengthFor } from './core/piece-layout.ts';
import type { ExchangeStore } from './exchange-store.ts';
import type { FetchLog } from './fetch-log.ts';
import { signList } from './prefix-list.ts';
import { encodeNote } from './statement.ts';
import type { Transfer } from './transfer.ts';

/** Pieces that one dispute may be about: a checkpoint has fewer. */
const MAX_DISPUTED = 64;
/** A disputed blob that is complete here is taken to be of this size. */
const USUAL_BYTES = 256 << 20;

export interface ExchangeParts {
  readonly network: BlobNetwork;
  readonly store: ExchangeStore;
  readonly coordinators: Coordinators;
  readonly server: BlobServer;
  readonly log: FetchLog | undefined;
  /** What fetches the blob here, if anything does. */
  readonly transfer: (blob: string) => Transfer | undefined;
  readonly mayShare: (blob: Digest) => Promise<boolean> | boolean;
}

/** What members tell and ask of blobs: hands it to whom it concerns, and answers who has what. */
export class ExchangeMessages {
  readonly #parts: ExchangeParts;

  constructor(parts: ExchangeParts) {
    this.#parts = parts;
  }

  register(handle: CountedHandlers['handle']): void {
    const { coordinators, log, server, transfer } = this.#parts;
    handle(
      'find',
      ({ blobs }) => blobs.length * WORK.lookUp,
      (message, from) => this.#onFind(message, from),
    );
    handle(
      'join',
      () => WORK.lookUp,
      (message, from) => this.#onJoin(message, from),
    );
    handle(
      'have',
      ({ runs }) => WORK.message + runWork(runs),
      (message, { peerId }) => {
        coordinators.heard(message.blob, peerId, message.runs);
        transfer(message.blob)?.crowd.onHave(peerId, message);
        return undefined;
      },
    );
    handle(
      'leave',
      () => WORK.message,
      (message, { peerId }) => {
        if (message.complete) coordinators.heard(message.blob, peerId, 'complete');
        else coordinators.left(message.blob, peerId);
        server.left(peerId, message.blob);
        log?.left(peerId, message.blob, message.complete);
        transfer(message.blob)?.crowd.onLeave(peerId, message.complete);
        return undefined;
      },
    );
    handle(
      'dispute',
      (message) => this.#disputeWork(message),
      async (message) => await this.#onDispute(message),
    );
    handle(
      'get-list',
      () => WORK.lookUp + WORK.signature,
      async (message) => await this.#onGetList(message),
    );
  }

  /** Pieces are read, hashed and signed; their length is known of what is under way only. */
  #disputeWork({ blob, runs }: MessageOf<'dispute'>): number {
    const pieces = Math.min(
      MAX_DISPUTED,
      runs.reduce((sum, [, count]) => sum + count, 0),
    );
    const size = this.#parts.transfer(blob)?.status().sizeBytes ?? USUAL_BYTES;
    return pieces * (WORK.signature + (pieceLengthFor(size) / 2 ** 20) * WORK.mebibyte);
  }

  async #onFind(message: MessageOf<'find'>, { peerId }: Peer): Promise<Message> {
    const holdings: Holding[] = [];
    for (const blob of message.blobs) holdings.push(await this.#holding(Digest.parse(blob), message.inline));
    for (const { blob, state } of holdings) this.#parts.log?.asked(peerId, blob, message.pull, state);
    return { type: 'found', holdings };
  }

  async #onJoin(message: MessageOf<'join'>, from: Peer): Promise<Message> {
    const answer = await this.#joined(message, from);
    if (answer.holding.state !== 'none' || answer.wants)
      this.#parts.log?.joined(from.peerId, message.holding.blob, message.pull, answer.holding.state);
    return answer;
  }

  async #joined(message: MessageOf<'join'>, from: Peer): Promise<MessageOf<'joined'>> {
    this.#parts.server.joined(from.peerId, message.holding.blob);
    const exchanged = this.#exchange(message, from);
    if (exchanged !== undefined) return exchanged;
    const holding = await this.#holding(Digest.parse(message.holding.blob), false);
    // This node may have begun to fetch the blob while its store was asked.
    return this.#exchange(message, from) ?? { type: 'joined', holding, wants: false };
  }

  /** Undefined where this node does not fetch the blob. */
  #exchange({ holding, wants }: MessageOf<'join'>, { peerId }: Peer): MessageOf<'joined'> | undefined {
    const { blob } = holding;
    const transfer = this.#parts.transfer(blob);
    if (transfer?.shared !== true || !transfer.isUnderWay) return undefined;
    return transfer.crowd.onJoin(peerId, holding, wants)
      ? { type: 'joined', holding: transfer.holding(), wants: true }
      : { type: 'joined', holding: { blob, state: 'none' }, wants: false };
  }

  async #holding(digest: Digest, inline: boolean): Promise<Holding> {
    const blob = digest.toString();
    const transfer = this.#parts.transfer(blob);
    if (transfer?.isUnderWay === true) return transfer.shared ? transfer.holding() : { blob, state: 'none' };
    const { store } = this.#parts;
    // All at once: each may be a question to another thread.
    const opened = inline ? store.open(digest).catch(() => undefined) : undefined;
    try {
      const [mayShare, size, reader] = await Promise.all([this.#parts.mayShare(digest), store.size(digest), opened]);
      if (!mayShare || size === undefined) return { blob, state: 'none' };
      const holding: Holding = { blob, state: 'complete', size, pieceLength: pieceLengthFor(size) };
      return reader === undefined || size > MAX_INLINE_BYTES
        ? holding
        : { ...holding, inline: Uint8Array.from(await reader.read(0, size)) };
    } catch {
      // Evicted, or found damaged: the answer is about other blobs as well.
      return { blob, state: 'none' };
    } finally {
      await (await opened)?.close();
    }
  }

  /** Says once more what it says of these pieces, after looking again. */
  async #onDispute(message: MessageOf<'dispute'>): Promise<Message> {
    const digest = Digest.parse(message.blob);
    const pieces = message.runs
      .flatMap(([first, count]) => Array.from({ length: Math.min(count, MAX_DISPUTED) }, (_, i) => first + i))
      .slice(0, MAX_DISPUTED);
    const statements: Uint8Array[] = [];
    for (const piece of pieces) {
      const statement = (await this.#parts.mayShare(digest)) ? await this.#parts.server.lookAgain(digest, piece) : undefined;
      if (statement === undefined) throw new LayerswarmError('not-found', `there is nothing to say of ${message.blob} here`);
      statements.push(Uint8Array.from(encodeNote([statement])));
    }
    return { type: 'statements', blob: message.blob, statements };
  }

  async #onGetList(message: MessageOf<'get-list'>): Promise<Message> {
    const digest = Digest.parse(message.blob);
    const checkpoints = (await this.#parts.mayShare(digest)) ? await this.#parts.store.checkpoints(digest) : undefined;
    const list = checkpoints === undefined ? undefined : await signList(this.#parts.network, digest, checkpoints);
    if (list === undefined) throw new LayerswarmError('not-found', `there is no list of prefix digests of ${message.blob} here`);
    return list;
  }
}
