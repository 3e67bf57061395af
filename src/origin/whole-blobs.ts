import { onAbort } from '../async/abort.ts';
import type { Answer } from './transport.ts';

/** Milliseconds: a body that nobody reads on from is kept open for the next part. */
const PARK_MS = 3_000;
/** Milliseconds for which one who would skip bytes waits for one who wants them. */
const SKIP_AFTER_MS = 200;

/** A whole body that is read part by part. */
interface Stream {
  readonly ended: AbortController;
  readonly chunks: AsyncIterator<Buffer>;
  /** Offset of the next byte. */
  position: number;
  /** Read already, and not yet passed on. */
  rest: Buffer;
}

interface Waiter {
  readonly start: number;
  readonly go: () => void;
}

/** One blob: its body, whom it is with, and who waits for a part. */
interface Line {
  stream: Stream | undefined;
  busy: boolean;
  readonly waiting: Set<Waiter>;
  timer: NodeJS.Timeout | undefined;
}

export interface WholeBlobsOptions {
  /** A plain GET of the blob. */
  readonly open: (signal: AbortSignal) => Promise<Answer>;
  /** Told of all bytes as they come, those that nobody wants too. */
  readonly taken: (bytes: number, signal: AbortSignal | undefined) => Promise<void>;
}

/**
 * Parts of blobs from a registry that gives only whole ones: those who want parts of one blob take turns on one body, in the order of
 * the blob, rather than read everything before each part again.
 */
export class WholeBlobs {
  readonly #lines = new Map<string, Line>();

  /** Bytes [start, end); fewer where the body ends before. @throws what opening and reading throw */
  async *read(
    key: string,
    start: number,
    end: number,
    options: WholeBlobsOptions,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const line = this.#line(key);
    await this.#turn(key, line, start, signal);
    let ended: AbortController | undefined;
    using _ = onAbort(signal, () => ended?.abort(signal?.reason));
    let intact = false;
    try {
      if (line.stream !== undefined && line.stream.position > start) drop(line);
      ended = line.stream?.ended ?? new AbortController();
      line.stream ??= { ended, chunks: (await options.open(ended.signal))[Symbol.asyncIterator](), position: 0, rest: Buffer.alloc(0) };
      for await (const part of partsOf(line.stream, end, (bytes) => options.taken(bytes, signal))) {
        const wanted = part.subarray(Math.max(0, start - (line.stream.position - part.length)));
        if (wanted.length > 0) yield wanted;
      }
      intact = line.stream.position >= end;
    } finally {
      if (!intact) drop(line);
      line.busy = false;
      this.#next(key, line);
    }
  }

  /** Nobody reads it, nor has it open. */
  isFree(key: string): boolean {
    const line = this.#lines.get(key);
    return line === undefined || (!line.busy && line.stream === undefined);
  }

  close(): void {
    for (const line of this.#lines.values()) {
      clearTimeout(line.timer);
      drop(line);
    }
    this.#lines.clear();
  }

  #line(key: string): Line {
    let line = this.#lines.get(key);
    if (line === undefined) this.#lines.set(key, (line = { stream: undefined, busy: false, waiting: new Set(), timer: undefined }));
    return line;
  }

  async #turn(key: string, line: Line, start: number, signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { start, go: resolve };
    signal?.throwIfAborted();
    using _ = onAbort(signal, () => {
      if (line.waiting.delete(waiter)) reject(signal!.reason as Error);
    });
    line.waiting.add(waiter);
    this.#next(key, line);
    await promise;
  }

  /** Gives the body to whoever is next on it; to whoever would skip bytes, or begin anew, a little later. */
  #next(key: string, line: Line): void {
    clearTimeout(line.timer);
    if (line.busy) return;
    const position = line.stream?.position ?? 0;
    const first = lowest(line.waiting, position) ?? lowest(line.waiting, 0);
    if (first === undefined) {
      line.timer = setTimeout(() => this.#forget(key, line), PARK_MS).unref();
    } else if (first.start === position) {
      this.#give(line, first);
    } else {
      line.timer = setTimeout(() => this.#give(line, lowest(line.waiting, position) ?? first), SKIP_AFTER_MS);
    }
  }

  #give(line: Line, waiter: Waiter): void {
    if (!line.waiting.delete(waiter)) return;
    line.busy = true;
    waiter.go();
  }

  #forget(key: string, line: Line): void {
    if (line.busy || line.waiting.size > 0) return;
    drop(line);
    if (this.#lines.get(key) === line) this.#lines.delete(key);
  }
}

/** The bytes from where the stream is up to `end`, or to its own end. */
async function* partsOf(stream: Stream, end: number, taken: (bytes: number) => Promise<void>): AsyncGenerator<Buffer, void, undefined> {
  while (stream.position < end) {
    if (stream.rest.length === 0) {
      const { value, done } = (await stream.chunks.next()) as IteratorResult<Buffer, undefined>;
      if (done === true) return;
      await taken(value.length);
      stream.rest = value;
    }
    const part = stream.rest.subarray(0, end - stream.position);
    stream.rest = stream.rest.subarray(part.length);
    stream.position += part.length;
    yield part;
  }
}

function drop(line: Line): void {
  line.stream?.ended.abort();
  line.stream = undefined;
}

/** The waiter that wants what comes first at or after `from`. */
function lowest(waiting: ReadonlySet<Waiter>, from: number): Waiter | undefined {
  let found: Waiter | undefined;
  for (const waiter of waiting) if (waiter.start >= from && waiter.start < (found?.start ?? Number.POSITIVE_INFINITY)) found = waiter;
  return found;
}
