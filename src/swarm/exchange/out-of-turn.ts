import { Grade } from '../../store/blob-store.ts';
import type { WantedPart } from '../swarm.ts';
import type { Download } from './core/download.ts';
import type { DownloadIo } from './download-io.ts';
import type { PieceVerifier } from './piece-verifier.ts';
import { SecondReading } from './second-reading.ts';
import type { TransferContext } from './transfer-context.ts';
import type { UnfinishedBlob } from './unfinished-blob.ts';

/** Members that were asked whether they have the blob have this long to answer. */
const ANSWERS_MS = 150;
/** A member that does not bring a piece within this is passed over. */
const MEMBER_MS = 1000;
const MAX_MEMBERS = 2;
/** A piece that is on its way already is waited for so long. */
const PATIENCE_MS = 100;
/** Bytes that the origin is asked for at once. */
const READ_BYTES = 4 << 20;

/** What brings pieces of one blob, and checks them. */
export interface OutOfTurnParts {
  readonly download: Download;
  readonly io: DownloadIo;
  readonly verifier: PieceVerifier;
  /** Answers of members that are awaited. */
  readonly pending: ReadonlySet<Promise<void>>;
}

/**
 * Pieces that a client waits for which checks parts of a blob by itself: asked for before all others, of members that vouch for them,
 * else read from the origin under no lease. They are pieces like any other, and come once.
 */
export class OutOfTurn {
  readonly #now: () => number;
  readonly #blob: UnfinishedBlob;
  readonly #parts: OutOfTurnParts;
  readonly #second: SecondReading;
  readonly #asked = new Map<number, Promise<void>>();
  readonly #awaited = new Map<number, PromiseWithResolvers<void>>();
  readonly #begunAt: number;

  constructor(context: TransferContext, blob: UnfinishedBlob, parts: OutOfTurnParts) {
    this.#now = context.now;
    this.#blob = blob;
    this.#parts = parts;
    this.#second = new SecondReading(context.network, blob, () => []);
    this.#begunAt = context.now();
  }

  /** The piece at `start` is vouched for here when this resolves, or else nobody brings it now. */
  async bring(start: number, { end, isPatient }: WantedPart): Promise<void> {
    const { io, download } = this.#parts;
    const { layout, origin, over } = this.#blob;
    const piece = layout.pieceAt(start);
    if (this.#blob.isVouched(piece)) return;
    await this.#once(piece, () => this.#fromMembers(piece));
    if (this.#blob.isVouched(piece) || over.aborted) return;
    const arrived = this.#arrivalOf(piece);
    const [, whole] = layout.piecesWithin(layout.range(piece).start, end);
    const mayRead = origin.usable !== undefined && !(isPatient && download.isShared);
    const read = mayRead
      ? download.readOutOfTurn(piece, Math.min(whole, Math.ceil(READ_BYTES / layout.pieceLength)), this.#now())
      : undefined;
    await Promise.race([arrived, read === undefined ? elapsed(PATIENCE_MS) : io.read(read)]);
  }

  /** It has come, and is vouched for. */
  vouched(piece: number): void {
    this.#awaited.get(piece)?.resolve();
    this.#awaited.delete(piece);
  }

  async #fromMembers(piece: number): Promise<void> {
    const { io, download, pending, verifier } = this.#parts;
    const { over } = this.#blob;
    const tried = new Set<string>();
    for (;;) {
      const source = download.holdersOf(piece, this.#now()).find(({ peer }) => !tried.has(peer));
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
        if (this.#blob.grade(piece) === Grade.missing)
          await io.bring(source.peer, piece, AbortSignal.any([over, AbortSignal.timeout(MEMBER_MS)]));
        const statement = this.#lacksStatement(piece) ? await Promise.race([said, elapsed(MEMBER_MS)]) : undefined;
        if (statement !== undefined && this.#lacksStatement(piece)) await verifier.confirm(piece, statement);
        if (over.aborted || this.#blob.isVouched(piece)) return;
        continue;
      }
      const left = this.#begunAt + ANSWERS_MS - this.#now();
      if (tried.size > 0 || pending.size === 0 || left <= 0 || over.aborted) return;
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
    return !this.#blob.over.aborted && this.#blob.grade(piece) === Grade.received;
  }
}

async function elapsed(ms: number): Promise<undefined> {
  return await new Promise((resolve) => {
    setTimeout(() => resolve(undefined), ms).unref();
  });
}
