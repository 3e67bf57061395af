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
  compress(block: Buffer, dictionary: Buffer | undefined): Promise<Buffer>;
  /** Called for each block in order. */
  sum(block: Buffer): void;
  end(): Buffer;
}

const GZIP_LEVEL = 6;
const ZSTD_LEVEL = 3;
const MIB = 1024 * 1024;
const deflate = promisify<Buffer, Parameters<typeof deflateRaw>[1], Buffer>(deflateRaw);
const zstd = promisify<Buffer, Parameters<typeof zstdCompress>[1], Buffer>(zstdCompress);

/** RFC 1952: one member, whose deflate blocks end at byte borders (Z_SYNC_FLUSH), as pigz does it. */
export function gzipFormat(): BlockFormat {
  let crc = 0;
  let length = 0;
  return {
    name: `zlib ${process.versions.zlib}, gzip -${GZIP_LEVEL}, blocks of 1 MiB`,
    blockBytes: MIB,
    dictionaryBytes: 32 * 1024,
    // No name, no time, operating system "unknown".
    start: () => Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]),
    compress: (block, dictionary) => deflate(block, { level: GZIP_LEVEL, finishFlush: constants.Z_SYNC_FLUSH, chunkSize: MIB + 64 * 1024, ...(dictionary && { dictionary }) }),
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
  const blockBytes = 4 * MIB;
  return {
    name: `zstd ${process.versions['zstd'] ?? ''}, level ${ZSTD_LEVEL}, frames of 4 MiB`,
    blockBytes,
    dictionaryBytes: 0,
    start: () => Buffer.alloc(0),
    compress: (block) => zstd(block, { chunkSize: blockBytes, params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL, [constants.ZSTD_c_checksumFlag]: 1 } }),
    sum: () => undefined,
    end: () => Buffer.alloc(0),
  };
}

export class BlockCompressor {
  readonly #format: BlockFormat;
  readonly #sink: (bytes: Buffer) => void;
  readonly #maxPending: number;
  #pending: Promise<Buffer>[] = [];
  #block: Buffer;
  #filled = 0;
  #previous: Buffer | undefined;

  /** @param sink called with the compressed bytes, in order */
  constructor(format: BlockFormat, sink: (bytes: Buffer) => void, threads: number) {
    this.#format = format;
    this.#sink = sink;
    this.#maxPending = threads + 1;
    this.#block = Buffer.allocUnsafeSlow(format.blockBytes);
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
    const dictionary = dictionaryBytes === 0 ? undefined : this.#previous?.subarray(-dictionaryBytes);
    this.#format.sum(block);
    const job = this.#format.compress(block, dictionary);
    // Awaited in order later; a failure before that is not unhandled.
    job.catch(() => undefined);
    this.#pending.push(job);
    this.#previous = block;
    this.#block = Buffer.allocUnsafeSlow(this.#format.blockBytes);
    this.#filled = 0;
  }

  async #takeFirst(): Promise<void> {
    this.#sink(await this.#pending.shift()!);
  }
}
