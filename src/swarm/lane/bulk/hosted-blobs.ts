import { LayerswarmError } from '../../../errors.ts';
import { Digest } from '../../../oci/digest.ts';
import { PartialFile } from '../../../store/partial-file.ts';
import { SyncPolicy } from '../../../store/sync-policy.ts';
import type { ByteRange } from '../lane.ts';
import type { HashState, MainMethods, WorkerMethods } from './bulk-protocol.ts';
import { HostedBlob, HostedSender } from './hosted-blob.ts';
import type { Handlers, PortRpc } from './port-rpc.ts';

type PartialMethods = Pick<
  WorkerMethods,
  'openPartial' | 'writePartial' | 'completePieces' | 'sharePieces' | 'rejectPiece' | 'discardPieces' | 'advancePartial' | 'commitPartial' | 'closePartial' | 'removePartial' | 'openSender' | 'writeSender' | 'closeSender'
>;

interface Hosted {
  readonly blob: HostedBlob;
  /** Discards so far, so that the main thread can tell a checkpoint from before one. */
  epoch: number;
}

/** The unfinished blobs that the main thread keeps here: the store's own code, on the thread that the bytes arrive on. */
export class HostedBlobs {
  readonly #main: () => PortRpc<WorkerMethods, MainMethods>;
  readonly #hosted = new Map<number, Hosted>();
  readonly #senders = new Map<number, HostedSender>();
  /** One for all, so that their syncs take turns. */
  #sync: SyncPolicy | undefined;
  #nextId = 0;

  constructor(main: () => PortRpc<WorkerMethods, MainMethods>) {
    this.#main = main;
  }

  /** @throws `internal` for one that is closed */
  sender(id: number): HostedSender {
    const sender = this.#senders.get(id);
    if (sender === undefined) throw new LayerswarmError('aborted', 'whoever asked for these bytes does not want them any longer');
    return sender;
  }

  /** Its unfinished piece can be another's. */
  closeSender(id: number): void {
    this.#senders.get(id)?.release();
    this.#senders.delete(id);
  }

  /** A range of an unfinished blob all of whose pieces are shared, as it is now. */
  shared(blob: Digest, range: ByteRange): { bytes: Buffer; note: Uint8Array } | undefined {
    for (const hosted of this.#hosted.values()) if (hosted.blob.partial.digest.equals(blob)) return hosted.blob.shared(range);
    return undefined;
  }

  readonly handlers: Handlers<PartialMethods> = {
    openPartial: async ({ paths, digest, size, pieceLength, syncBytes, syncIntervalMs }) => {
      const id = this.#nextId++;
      this.#sync ??= new SyncPolicy({ bytes: syncBytes, intervalMs: syncIntervalMs });
      const owner = {
        sync: this.#sync,
        publish: async () => { await this.#main().call('publish', { partial: id }); },
        closed: async () => {
          this.#hosted.delete(id);
          await Promise.resolve();
        },
      };
      const partial = await PartialFile.open(owner, paths, Digest.parse(digest), size, pieceLength);
      const hosted: Hosted = { blob: new HostedBlob(partial), epoch: 0 };
      this.#hosted.set(id, hosted);
      partial.onCheckpoint = (index, digest) => { this.#main().notify('checkpoint', { partial: id, epoch: hosted.epoch, index, digest: Uint8Array.from(digest) }); };
      const grades = Uint8Array.from({ length: partial.pieceCount }, (_, piece) => partial.grade(piece));
      return { partial: id, grades, checkpointLength: partial.checkpointLength };
    },
    writePartial: async ({ partial, offset, bytes }) => { await this.#get(partial).blob.partial.writeNow(offset, bytes); },
    completePieces: ({ partial, pieces, grade }) => {
      const blob = this.#hosted.get(partial)?.blob;
      for (const piece of pieces) blob?.complete(piece, grade);
    },
    sharePieces: ({ partial, first, notes }) => { this.#hosted.get(partial)?.blob.share(first, notes); },
    rejectPiece: ({ partial, piece }) => { this.#hosted.get(partial)?.blob.reject(piece); },
    discardPieces: async ({ partial, pieces }) => {
      const hosted = this.#get(partial);
      hosted.epoch += 1;
      await hosted.blob.discard(pieces);
      return { ...hashState(hosted), digests: [...hosted.blob.partial.prefixDigests] };
    },
    advancePartial: async ({ partial }) => {
      const hosted = this.#get(partial);
      await hosted.blob.partial.advance();
      return hashState(hosted);
    },
    commitPartial: async ({ partial }) => { await this.#get(partial).blob.partial.commit(); },
    closePartial: async ({ partial }) => { await this.#get(partial).blob.partial.close(); },
    removePartial: ({ partial }) => { this.#hosted.get(partial)?.blob.partial.markRemoved(); },
    openSender: ({ partial, sender, start }) => {
      const hosted = this.#hosted.get(partial);
      if (hosted === undefined) return;
      this.#senders.set(sender, new HostedSender(hosted.blob, start, (piece) => {
        this.#main().notify('piecesWritten', { sender, pieces: [piece] }, (waiting) => waiting.sender === sender && waiting.pieces.push(piece) > 0);
      }));
    },
    writeSender: async ({ sender, offset, bytes }) => { await this.sender(sender).write(offset, bytes); },
    closeSender: ({ sender }) => { this.closeSender(sender); },
  };

  #get(id: number): Hosted {
    const hosted = this.#hosted.get(id);
    if (hosted === undefined) throw new LayerswarmError('internal', 'the unfinished blob is closed');
    return hosted;
  }
}

function hashState({ blob: { partial } }: Hosted): HashState {
  return { hashedBytes: partial.hashedBytes, verdict: partial.verdict };
}
