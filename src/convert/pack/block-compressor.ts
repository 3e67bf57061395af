import type { Transform } from 'node:stream';
import { constants, crc32, createDeflateRaw, createZstdCompress } from 'node:zlib';

/** Compresses a stream block by block, several at once in Node's thread pool. The result depends on the input alone, not on timing. */
export interface BlockFormat {
  /** What an annotation says of it: other versions give other bytes. */
  readonly name: string;
  start(): Buffer;
  /** A stream for one block. */
  compressor(block: Buffer): Transform;
  /** Called for each block in order. */
  sum(block: Buffer): void;
  end(): Buffer;
}

const GZIP_LEVEL = 6;
const ZSTD_LEVEL = 3;
const KIB = 1024;
const MIB = 1024 * KIB;
/** Large, so that the matches that are lost at the start of each cost little; small, so that several fit in memory. */
const BLOCK_BYTES = MIB;
/** What a block can grow by: its output fits into the one buffer that the stream begins with. */
const MAX_GROWTH = 16 * KIB;

/** RFC 1952: one member, whose deflate blocks end at byte borders (Z_SYNC_FLUSH), as pigz does it. */
export function gzipFormat(): BlockFormat {
  let crc = 0;
  let length = 0;
  return {
    name: `zlib ${process.versions.zlib}, gzip -${GZIP_LEVEL}, blocks of 1 MiB`,
    // No name, no time, operating system "unknown".
    start: () => Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]),
    compressor: () => createDeflateRaw({ level: GZIP_LEVEL, finishFlush: constants.Z_SYNC_FLUSH, chunkSize: BLOCK_BYTES + MAX_GROWTH }),
    sum(block) {
      crc = crc32(block, crc);
      length = (length + block.length) % 2 ** 32;
    },
    end() {
      // An empty final block, then the trailer.
      const trailer = Buffer.from([0x03, 0x00, 0, 0, 0, 0, 0, 0, 0, 0]);
      trailer.writeUInt32LE(crc, 2);
      trailer.writeUInt32LE(length, 6);
      return trailer;
    },
  };
}

/** RFC 8878: one frame a block; frames may follow each other. */
export function zstdFormat(): BlockFormat {
  return {
    name: `zstd ${process.versions['zstd'] ?? ''}, level ${ZSTD_LEVEL}, frames of 1 MiB`,
    start: () => Buffer.alloc(0),
    compressor: (block) =>
      createZstdCompress({
        chunkSize: BLOCK_BYTES + MAX_GROWTH,
        pledgedSrcSize: block.length,
        params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL, [constants.ZSTD_c_checksumFlag]: 1 },
      }),
    sum: () => undefined,
    end: () => Buffer.alloc(0),
  };
}

export class BlockCompressor {
  readonly #format: BlockFormat;
  readonly #sink: (bytes: Buffer) => void;
  readonly #maxPending: number;
  #pending: { readonly block: Buffer; readonly job: Promise<Buffer[]> }[] = [];
  #block: Buffer;
  #filled = 0;
  /** Blocks to be filled again: the garbage of a large layer would otherwise grow to many times what is in use. */
  readonly #free: Buffer[] = [];

  /** @param sink called with the compressed bytes, in order; they are gone when it returns */
  constructor(format: BlockFormat, sink: (bytes: Buffer) => void, threads: number) {
    this.#format = format;
    this.#sink = sink;
    this.#maxPending = threads;
    this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
    sink(format.start());
  }

  push(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      const count = bytes.copy(this.#block, this.#filled, at);
      this.#filled += count;
      at += count;
      if (this.#filled === this.#block.length) this.#submit();
    }
  }

  /** Waits until no more than the threads can work on is pending. */
  async drain(): Promise<void> {
    while (this.#pending.length > this.#maxPending) await this.#takeFirst();
  }

  async end(): Promise<void> {
    if (this.#filled > 0) this.#submit();
    while (this.#pending.length > 0) await this.#takeFirst();
    this.#sink(this.#format.end());
  }

  #submit(): void {
    const block = this.#block.subarray(0, this.#filled);
    this.#format.sum(block);
    const job = compress(this.#format.compressor(block), block);
    // Awaited in order later; a failure before that is not unhandled.
    job.catch(() => undefined);
    this.#pending.push({ block: this.#block, job });
    this.#block = this.#free.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
    this.#filled = 0;
  }

  async #takeFirst(): Promise<void> {
    const { block, job } = this.#pending.shift()!;
    const pieces = await job;
    for (const piece of pieces) this.#sink(piece);
    free(pieces);
    this.#free.push(block);
  }
}

async function compress(stream: Transform, block: Buffer): Promise<Buffer[]> {
  stream.end(block);
  return await Array.fromAsync(stream as AsyncIterable<Buffer>);
}

/** Gives memory back at once: V8 would let tens of megabytes of buffers pile up before it looks for those that nobody needs. */
function free(pieces: readonly Buffer[]): void {
  for (const { buffer } of pieces) {
    if (buffer instanceof ArrayBuffer && !buffer.detached) buffer.transfer(0);
  }
}
