import { open } from 'node:fs/promises';
import { LayerswarmError } from '../../../errors.ts';
import type { Digest } from '../../../oci/digest.ts';
import { PartialFile } from '../../../store/partial-file.ts';
import type { OwnedPartial, PartialOwner } from '../../../store/partial-owner.ts';
import type { MainMethods, WorkerMethods } from './bulk-protocol.ts';
import { HostedPartial, HostedPartialSender } from './hosted-partial.ts';
import type { Handlers, PortRpc } from './port-rpc.ts';

type PartialMethods = Pick<MainMethods, 'piecesWritten' | 'checkpoint' | 'publish'>;

/** The unfinished blobs whose files the worker has: opens them, and passes on what the worker says of them. */
export class HostedPartials {
  readonly #worker: () => PortRpc<MainMethods, WorkerMethods>;
  readonly #host: object;
  readonly #partials = new Map<number, HostedPartial>();
  readonly #senders = new Map<number, HostedPartialSender>();
  #nextSender = 0;

  constructor(worker: () => PortRpc<MainMethods, WorkerMethods>, host: object) {
    this.#worker = worker;
    this.#host = host;
  }

  /** `OpenPartial` of the store. Without its worker, the store's own. */
  readonly open = async (owner: PartialOwner, paths: { data: string; state: string }, digest: Digest, size: number, pieceLength: number): Promise<OwnedPartial> => {
    if (this.#worker().isClosed) return await PartialFile.open(owner, paths, digest, size, pieceLength);
    const { bytes: syncBytes, intervalMs: syncIntervalMs } = owner.sync;
    const opened = await this.#worker().call('openPartial', { paths, digest: digest.toString(), size, pieceLength, syncBytes, syncIntervalMs });
    const file = await open(paths.data, 'r');
    const partial = new HostedPartial({
      id: opened.partial, digest, size, pieceLength, path: paths.data, file, owner,
      grades: opened.grades,
      checkpointLength: opened.checkpointLength,
      worker: this.#worker(),
      sender: (start, onPiece) => this.#openSender(opened.partial, start, onPiece),
      closed: () => { this.#partials.delete(opened.partial); },
    });
    this.#partials.set(opened.partial, partial);
    return partial;
  };

  readonly handlers: Handlers<PartialMethods> = {
    piecesWritten: ({ sender, pieces }) => { for (const piece of pieces) this.#senders.get(sender)?.onPiece(piece); },
    checkpoint: ({ partial, epoch, index, digest }) => { this.#partials.get(partial)?.onCheckpointClosed(epoch, index, Buffer.from(digest)); },
    publish: async ({ partial }) => {
      const hosted = this.#partials.get(partial);
      if (hosted === undefined) throw new LayerswarmError('internal', 'the unfinished blob is closed');
      await hosted.publish();
    },
  };

  #openSender(partial: number, start: number, onPiece: (piece: number) => void | Promise<void>): HostedPartialSender {
    const id = this.#nextSender++;
    const worker = this.#worker();
    const sender = new HostedPartialSender({
      id, partial, host: this.#host, worker, onPiece,
      forget: () => { this.#senders.delete(id); },
    });
    this.#senders.set(id, sender);
    worker.notify('openSender', { partial, sender: id, start });
    return sender;
  }
}
