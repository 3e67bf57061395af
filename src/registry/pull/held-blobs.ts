import { LayerswarmError } from '../../errors.ts';
import { Digest } from '../../oci/digest.ts';

/** A blob of no more bytes is proven in memory. */
export const MAX_HELD_BYTES = 16 * 1024 * 1024;
/** Of all of them, those that are read just now among them. */
export const MAX_MEMORY_BYTES = 64 * 1024 * 1024;
/** One that nobody asked for again goes after this. */
const KEPT_MS = 60_000;

interface Held {
  readonly size: number;
  readonly proven: Promise<Buffer>;
  expiry: NodeJS.Timeout | undefined;
}

/** Small blobs that are in memory, since the store takes nothing: each is read once for all who ask for it. */
export class HeldBlobs {
  /** In the order of their last use. */
  readonly #held = new Map<string, Held>();
  readonly #closed = new AbortController();
  #bytes = 0;

  /**
   * The bytes of the blob, proven; undefined where it is too large, or others have the memory.
   * @param source where it is read from, for people
   * @param read gives the whole of it, for all who wait: the signal is none of theirs
   * @throws `digest-mismatch`, `size-mismatch`; what `read` throws
   */
  get(
    blob: { readonly digest: Digest; readonly size: number },
    source: string,
    read: (signal: AbortSignal) => AsyncIterable<Uint8Array>,
  ): Promise<Buffer> | undefined {
    // What one image says of the size is not to fail who was told another.
    const key = `${source} ${blob.digest.toString()} ${blob.size}`;
    let held = this.#held.get(key);
    if (held === undefined) {
      if (!this.#makeRoom(blob.size)) return undefined;
      held = { size: blob.size, proven: provenBytes(blob, source, read(this.#closed.signal)), expiry: undefined };
      this.#bytes += held.size;
      held.proven.then(
        () => this.#expireLater(key),
        () => this.#drop(key),
      );
    }
    this.#held.delete(key);
    this.#held.set(key, held);
    held.expiry?.refresh();
    return held.proven;
  }

  /** Ends the readings that are under way, and forgets the rest. */
  close(): void {
    this.#closed.abort(new LayerswarmError('aborted', 'this node is stopping'));
    for (const [key, { expiry }] of this.#held) if (expiry !== undefined) this.#drop(key);
  }

  #makeRoom(size: number): boolean {
    if (size > MAX_HELD_BYTES) return false;
    for (const [key, { expiry }] of this.#held) {
      if (this.#bytes + size <= MAX_MEMORY_BYTES) break;
      // Without one it is still being read.
      if (expiry !== undefined) this.#drop(key);
    }
    return this.#bytes + size <= MAX_MEMORY_BYTES;
  }

  #expireLater(key: string): void {
    this.#held.get(key)!.expiry = setTimeout(() => this.#drop(key), KEPT_MS).unref();
  }

  #drop(key: string): void {
    const { size, expiry } = this.#held.get(key)!;
    clearTimeout(expiry);
    this.#held.delete(key);
    this.#bytes -= size;
  }
}

async function provenBytes(
  { digest, size }: { readonly digest: Digest; readonly size: number },
  source: string,
  chunks: AsyncIterable<Uint8Array>,
): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(size);
  let at = 0;
  for await (const chunk of chunks) {
    if (chunk.length > size - at)
      throw new LayerswarmError('size-mismatch', `${source} sent more than the ${size} bytes of ${digest.toString()}`);
    bytes.set(chunk, at);
    at += chunk.length;
  }
  if (at < size || !Digest.of(bytes, digest.algorithm).equals(digest))
    throw new LayerswarmError('digest-mismatch', `${source} sent other bytes than those of ${digest.toString()}`);
  return bytes;
}
