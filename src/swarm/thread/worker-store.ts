import { Digest } from '../../oci/digest.ts';
import { BlobChecks, type FileGuard } from '../../store/blobs/blob-check.ts';
import { FileBlobReader } from '../../store/blobs/blob-reader.ts';
import type { BlobReader, Checkpoints, PartialBlob } from '../../store/blob-store.ts';
import { PartialFile } from '../../store/partial/partial-file.ts';
import type { OwnedPartial } from '../../store/partial/partial-owner.ts';
import { SyncPolicy } from '../../store/disk/sync-policy.ts';
import type { ExchangeStore } from '../exchange/exchange-store.ts';
import type { PortRpc } from './port-rpc.ts';
import { type FoundFile, fromPort, type MainMethods, type WorkerMethods } from './thread-protocol.ts';

/** The store as the bulk thread sees it: the main thread keeps the books, this one has the files of unfinished blobs. */
export class WorkerStore implements ExchangeStore {
  readonly #main: () => PortRpc<WorkerMethods, MainMethods>;
  readonly #partials = new Map<number, PartialFile>();
  readonly #checks = new BlobChecks();
  readonly #removed = new Set<(digest: Digest) => void>();
  /** One for all, so that their syncs take turns. */
  #sync: SyncPolicy | undefined;

  constructor(main: () => PortRpc<WorkerMethods, MainMethods>) {
    this.#main = main;
  }

  readonly handlers = {
    blobRemoved: ({ digest }: { digest: string }): void => {
      for (const listener of this.#removed) listener(Digest.parse(digest));
    },
    partialRemoved: ({ partial }: { partial: number }): void => {
      this.#partials.get(partial)?.markRemoved();
    },
    closePartial: async ({ partial }: { partial: number }): Promise<void> => {
      await this.#partials.get(partial)?.close();
    },
  };

  async size(digest: Digest): Promise<number | undefined> {
    return await this.#main().call('blobSize', { digest: digest.toString() });
  }

  async open(digest: Digest): Promise<BlobReader> {
    const { found, handle, path, size } = await this.#main().call('openBlob', { digest: digest.toString() });
    const release = (): void => {
      this.#main().notify('closeBlob', { handle });
    };
    try {
      return await FileBlobReader.open(path, size, release, {
        ...this.#checks.guarding(digest, size, this.#guard(digest)),
        begin: (file, anew) => this.#checks.of(digest, size, file, this.#guard(digest, anew ? undefined : found), anew),
      });
    } catch (error) {
      release();
      throw error;
    }
  }

  async write(bytes: Uint8Array, digest: Digest): Promise<void> {
    // Handed over where nothing else shares their memory; a copy of a MiB makes work for both collectors.
    const { buffer } = bytes;
    const transfer = buffer instanceof ArrayBuffer && buffer.byteLength === bytes.length ? [buffer] : [];
    await this.#main().call('writeBlob', { digest: digest.toString(), bytes }, { transfer });
  }

  async checkpoints(digest: Digest): Promise<Checkpoints | undefined> {
    const found = await this.#main().call('checkpoints', { digest: digest.toString() });
    return found === undefined ? undefined : fromPort(found);
  }

  async doubt(digest: Digest): Promise<void> {
    await this.#main().call('doubtBlob', { digest: digest.toString() });
  }

  onRemoved(listener: (digest: Digest) => void): void {
    this.#removed.add(listener);
  }

  /** @param found what is known of its file since it was opened */
  #guard(digest: Digest, found?: FoundFile): FileGuard {
    const main = this.#main();
    const blob = { digest: digest.toString() };
    return {
      expected: async (file) => {
        const expected = file === found?.file ? found.expected : await main.call('expectedOf', { ...blob, file });
        return typeof expected === 'object' ? fromPort(expected) : expected;
      },
      right: (file, found) => {
        main.notify('foundRight', { ...blob, file, found });
      },
      wrong: async () => {
        await main.call('foundWrong', blob);
      },
    };
  }

  async openPartial(digest: Digest, size: number, pieceLength: number): Promise<PartialBlob> {
    const {
      partial: id,
      paths,
      syncBytes,
      syncIntervalMs,
    } = await this.#main().call('openPartial', { digest: digest.toString(), size, pieceLength });
    this.#sync ??= new SyncPolicy({ bytes: syncBytes, intervalMs: syncIntervalMs });
    const owner = {
      sync: this.#sync,
      haveBytes: 0,
      publish: async ({ checkpointLength, prefixDigests }: OwnedPartial): Promise<void> => {
        await this.#main().call('publishPartial', {
          partial: id,
          checkpointLength,
          digests: prefixDigests.map((prefix) => Uint8Array.from(prefix)),
        });
      },
      closed: async (file: OwnedPartial): Promise<void> => {
        this.#partials.delete(id);
        await this.#main().call('partialClosed', { partial: id, haveBytes: file.haveBytes(), committed: file.committed });
      },
    };
    try {
      const file = await PartialFile.open(owner, paths, digest, size, pieceLength);
      this.#partials.set(id, file);
      return file;
    } catch (error) {
      // why it could not be opened counts, not what else fails then
      await this.#main()
        .call('partialClosed', { partial: id, haveBytes: undefined, committed: false })
        .catch(() => undefined);
      throw error;
    }
  }
}
