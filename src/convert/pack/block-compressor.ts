import { promisify } from 'node:util';
import { constants, crc32, deflateRaw, zstdCompress } from 'node:zlib';

/** Compresses a stream block by block, several at once in Node's thread pool. The result depends on the input alone, not on timing. */
export interface BlockFormat {
  /** What an annotation says of it: other versions give other bytes. */
  readonly name: string;
  readonly blockBytes: number;
  /** Bytes of the block before that the next one may refer to. */
  readonly dictionaryBytes: number;
  start(): Buffer;
  /** The dictionary is read before this returns. */
  compress(block: Buffer, dictionary: Buffer | undefined): Promise<Buffer>;
  /** Called for each block in order. */
  sum(block: Buffer): void;
  end(): Buffer;
}

const GZIP_LEVEL = 6;
const ZSTD_LEVEL = 3;
const KIB = 1024;
const MIB = 1024 * KIB;
/** More than pigz takes, so that the dictionary that is lost at the start of each costs little; small, so that many fit in memory. */
const GZIP_BLOCK_BYTES = 256 * KIB;
const ZSTD_BLOCK_BYTES = MIB / 2;
/** What a block can grow by; an output that fits into one piece is not copied together from several. */
const MAX_GROWTH = 16 * KIB;
const deflate = promisify<Buffer, Parameters<typeof deflateRaw>[1], Buffer>(deflateRaw);
const zstd = promisify<Buffer, Parameters<typeof zstdCompress>[1], Buffer>(zstdCompress);

/** RFC 1952: one member, whose deflate blocks end at byte borders (Z_SYNC_FLUSH), as pigz does it. */
export function gzipFormat(): BlockFormat {
  let crc = 0;
  let length = 0;
  return {
    name: `zlib ${process.versions.zlib}, gzip -${GZIP_LEVEL}, blocks of 256 KiB`,
    blockBytes: GZIP_BLOCK_BYTES,
    dictionaryBytes: 32 * KIB,
    // No name, no time, operating system "unknown".
    start: () => Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]),
    compress: (block, dictionary) => deflate(block, { level: GZIP_LEVEL, finishFlush: constants.Z_SYNC_FLUSH, chunkSize: GZIP_BLOCK_BYTES + MAX_GROWTH, ...(dictionary && { dictionary }) }),
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
    name: `zstd ${process.versions['zstd'] ?? ''}, level ${ZSTD_LEVEL}, frames of 512 KiB`,
    blockBytes: ZSTD_BLOCK_BYTES,
    dictionaryBytes: 0,
    start: () => Buffer.alloc(0),
    compress: (block) => zstd(block, { chunkSize: ZSTD_BLOCK_BYTES + MAX_GROWTH, pledgedSrcSize: block.length, params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL, [constants.ZSTD_c_checksumFlag]: 1 } }),
    sum: () => undefined,
    end: () => Buffer.alloc(0),
  };
}

export class BlockCompressor {
  readonly #format: BlockFormat;
  readonly #sink: (bytes: Buffer) => void;
  readonly #maxPending: number;
  #pending: { readonly block: Buffer; readonly job: Promise<Buffer> }[] = [];
  #block: Buffer;
  #filled = 0;
  /** The end of the block before, once there is one. */
  readonly #dictionary: Buffer;
  #dictionaryBytes = 0;
  /** Blocks to be filled again: the garbage of a large layer would otherwise grow to many times what is in use. */
  readonly #free: Buffer[] = [];

  /** @param sink called with the compressed bytes, in order; they are gone when it returns */
  constructor(format: BlockFormat, sink: (bytes: Buffer) => void, threads: number) {
    this.#format = format;
    this.#sink = sink;
    this.#maxPending = threads;
    this.#block = Buffer.allocUnsafeSlow(format.blockBytes);
    this.#dictionary = Buffer.allocUnsafeSlow(format.dictionaryBytes);
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
    const { dictionaryBytes } = this.#format;
    this.#format.sum(block);
    const job = this.#format.compress(block, this.#dictionaryBytes === 0 ? undefined : this.#dictionary.subarray(0, this.#dictionaryBytes));
    // Awaited in order later; a failure before that is not unhandled.
    job.catch(() => undefined);
    this.#pending.push({ block: this.#block, job });
    if (dictionaryBytes > 0) this.#dictionaryBytes = block.copy(this.#dictionary, 0, Math.max(0, block.length - dictionaryBytes));
    this.#block = this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#format.blockBytes);
    this.#filled = 0;
  }

  async #takeFirst(): Promise<void> {
    const { block, job } = this.#pending.shift()!;
    const compressed = await job;
    this.#sink(compressed);
    free(compressed);
    this.#free.push(block);
  }
}

/** Gives memory back at once: V8 would let tens of megabytes of buffers pile up before it looks for those that nobody needs. */
function free({ buffer }: Buffer): void {
  // Small ones lie together in one that goes on being used.
  if (buffer instanceof ArrayBuffer && buffer.byteLength > Buffer.poolSize) buffer.transfer(0);
}
