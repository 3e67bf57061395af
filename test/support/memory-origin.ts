import { LayerswarmError } from '../../src/errors.ts';
import { Digest } from '../../src/oci/digest.ts';
import type { RawManifest } from '../../src/oci/manifest.ts';
import type { Origin, OriginHealth } from '../../src/origin/origin.ts';

/** An origin in memory that counts what is read of it: for tests of the swarm, where the registry itself is not the matter. */
export class MemoryOrigin implements Origin {
  readonly url: string = 'http://origin.test';
  readonly blobs = new Map<string, Buffer>();
  /** Body bytes read, by blob. */
  readonly read = new Map<string, number>();
  /** May wait, change bytes, or throw, for each chunk of 64 KiB. */
  chunk: ((digest: Digest, offset: number, bytes: Buffer) => Promise<Buffer> | Buffer) | undefined;
  down = false;
  #bytes = 0;

  get health(): OriginHealth {
    return { state: this.down ? 'unreachable' : 'ok', bytes: this.#bytes };
  }

  add(bytes: Buffer): Digest {
    const digest = Digest.of(bytes);
    this.blobs.set(digest.toString(), bytes);
    return digest;
  }

  copies(digest: Digest): number {
    return (this.read.get(digest.toString()) ?? 0) / this.#blob(digest).length;
  }

  resolveTag(): Promise<Digest> {
    return Promise.reject(new LayerswarmError('not-found', 'no tags here'));
  }

  manifest(): Promise<RawManifest> {
    return Promise.reject(new LayerswarmError('not-found', 'no manifests here'));
  }

  // oxlint-disable-next-line typescript/require-await -- throws as a rejection
  async blobSize(_repository: string, digest: Digest): Promise<number> {
    return this.#blob(digest).length;
  }

  async *readBlob(
    _repository: string,
    digest: Digest,
    range: { start: number; end: number },
    signal?: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    const blob = this.#blob(digest);
    for (let at = range.start; at < range.end; at += 65_536) {
      signal?.throwIfAborted();
      let bytes = Buffer.from(blob.subarray(at, Math.min(range.end, at + 65_536)));
      if (this.chunk !== undefined) bytes = Buffer.from(await this.chunk(digest, at, bytes));
      if (this.down) throw unreachable();
      this.#bytes += bytes.length;
      this.read.set(digest.toString(), (this.read.get(digest.toString()) ?? 0) + bytes.length);
      yield bytes;
    }
  }

  tags(): Promise<string[]> {
    return Promise.resolve([]);
  }

  referrers(): Promise<Buffer | undefined> {
    return Promise.resolve(undefined);
  }

  probe(): Promise<OriginHealth> {
    return Promise.resolve(this.health);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #blob(digest: Digest): Buffer {
    if (this.down) throw unreachable();
    const blob = this.blobs.get(digest.toString());
    if (blob === undefined) throw new LayerswarmError('not-found', `the origin does not have ${digest.toString()}`);
    return blob;
  }
}

function unreachable(): LayerswarmError {
  return new LayerswarmError('origin-unreachable', 'the origin is down');
}
