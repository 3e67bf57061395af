import type { Digest } from '../../oci/digest.ts';
import { Grade, type PartialBlob } from '../../store/blob-store.ts';
import type { BlobNetwork } from '../network/network.ts';
import type { DownloadIo } from './download-io.ts';
import type { Download } from './core/download.ts';
import type { PieceVerifier } from './piece-verifier.ts';
import { SecondReading } from './second-reading.ts';
import type { WantedPart } from '../swarm.ts';

/** Members that were asked whether they have the blob have this long to answer. */
const ANSWERS_MS = 150;
/** A member that does not bring a piece within this is passed over. */
const MEMBER_MS = 1000;
const MAX_MEMBERS = 2;
/** A piece that is on its way already is waited for so long. */
const PATIENCE_MS = 100;
/** Bytes that the origin is asked for at once. */
const READ_BYTES = 4 << 20;

export interface OutOfTurnOptions {
  readonly network: BlobNetwork;
  readonly digest: Digest;
  readonly now: () => number;
  readonly download: Download;
  readonly partial: PartialBlob;
  readonly io: DownloadIo;
  readonly verifier: PieceVerifier;
  /** Answers of members that are awaited. */
  readonly pending: ReadonlySet<Promise<void>>;
  /** The origin may be asked now. */
  originUsable(): boolean;
  /** Ends everything that is under way. */
  readonly signal: AbortSignal;
}

/**
 * Pieces that a client waits for which checks parts of a blob by itself: asked for before all others, of members that vouch for them,
 * else read from the origin under no lease. They are pieces like any other, and come once.
 */
export class OutOfTurn {
  readonly #options: OutOfTurnOptions;
  readonly #second: SecondReading;
  readonly #asked = new Map<number, Promise<void>>();
  readonly #awaited = new Map<number, PromiseWithResolvers<void>>();
  readonly #begunAt: number;

  constructor(options: OutOfTurnOptions) {
    this.#options = options;
    this.#second = new SecondReading(options.network, options.digest, options.download.layout, () => []);
    this.#begunAt = options.now();
  }

  /** The piece at `start` is vouched for here when this resolves, or else nobody brings it now. */
  async bring(start: number, { end, isPatient }: WantedPart): Promise<void> {
    const { io, download, now, signal } = this.#options;
    const { layout } = download;
    const piece = layout.pieceAt(start);
    if (this.#isVouched(piece)) return;
    await this.#once(piece, () => this.#fromMembers(piece));
    if (this.#isVouched(piece) || signal.aborted) return;
    const arrived = this.#arrivalOf(piece);
    const [, whole] = layout.piecesWithin(layout.range(piece).start, end);
    const mayRead = this.#options.originUsable() && !(isPatient && download.isShared);
    const read = mayRead ? download.readOutOfTurn(piece, Math.min(whole, Math.ceil(READ_BYTES / layout.pieceLength)), now()) : undefined;
    await Promise.race([arrived, read === undefined ? elapsed(PATIENCE_MS) : io.read(read)]);
  }

  /** It has come, and is vouched for. */
  vouched(piece: number): void {
    this.#awaited.get(piece)?.resolve();
    this.#awaited.delete(piece);
  }

  async #fromMembers(piece: number): Promise<void> {
    const { io, download, now, partial, pending, signal, verifier } = this.#options;
    const tried = new Set<string>();
    for (;;) {
      const source = download.holdersOf(piece, now()).find(({ peer }) => !tried.has(peer));
      if (source !== undefined && tried.size < MAX_MEMBERS) {
        tried.add(source.peer);
        // Whoever has all of it signs no piece unless it is asked to; whoever fetches sends what was signed along.
        const said =
          source.role === 'complete'
            ? this.#second.ask(source.peer, piece, 1).then(
                ([statement]) => statement,
                () => undefined,
              )
            : undefined;
        if (partial.grade(piece) === Grade.missing)
          await io.bring(source.peer, piece, AbortSignal.any([signal, AbortSignal.timeout(MEMBER_MS)]));
        const statement = this.#lacksStatement(piece) ? await Promise.race([said, elapsed(MEMBER_MS)]) : undefined;
        if (statement !== undefined && this.#lacksStatement(piece)) await verifier.confirm(piece, statement);
        if (signal.aborted || this.#isVouched(piece)) return;
        continue;
      }
      const left = this.#begunAt + ANSWERS_MS - now();
      if (tried.size > 0 || pending.size === 0 || left <= 0 || signal.aborted) return;
      await Promise.race([...pending, elapsed(left)]);
    }
  }

  async #once(piece: number, work: () => Promise<void>): Promise<void> {
    let asked = this.#asked.get(piece);
    if (asked === undefined) {
      asked = work().finally(() => {
        this.#asked.delete(piece);
      });
      this.#asked.set(piece, asked);
    }
    await asked;
  }

  #arrivalOf(piece: number): Promise<void> {
    let awaited = this.#awaited.get(piece);
    if (awaited === undefined) {
      awaited = Promise.withResolvers();
      this.#awaited.set(piece, awaited);
    }
    return awaited.promise;
  }

  #lacksStatement(piece: number): boolean {
    return !this.#options.signal.aborted && this.#options.partial.grade(piece) === Grade.received;
  }

  #isVouched(piece: number): boolean {
    return !this.#options.signal.aborted && this.#options.partial.grade(piece) >= Grade.vouched;
  }
}

async function elapsed(ms: number): Promise<undefined> {
  return await new Promise((resolve) => {
    setTimeout(() => resolve(undefined), ms).unref();
  });
}
