import { BoundedMap } from '../bounded-map.ts';
import { LayerswarmError } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import { checkRepositoryName } from '../oci/name.ts';
import type { ByteRate } from './budget.ts';
import type { Clock } from './clock.ts';
import type { Failure } from './origin-error.ts';
import type { BlobRange } from './origin.ts';
import { Pace } from './pace.ts';
import { backoff, DEFAULT_RETRY } from './retry.ts';
import type { RegistryRequest } from './registry-request.ts';
import { type Answer, requireIdentity } from './transport.ts';
import { WholeBlobs } from './whole-blobs.ts';

/** Times that a body may break off with no byte since the last, and in all. */
const MAX_FRUITLESS = 3;
const MAX_RESUMES = 20;
/** Times that a read is begun anew since it crawls: after that the line may be what is slow. */
const MAX_ABANDONED = 3;

export interface ContentRange {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  /** Of the whole; undefined where the server does not say. */
  readonly total: number | undefined;
}

/** RFC 9110 §14.4, of a 206; undefined when malformed. */
export function parseContentRange(header: string | undefined): ContentRange | undefined {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(header ?? '');
  if (match === null) return undefined;
  const [start, last] = [Number(match[1]), Number(match[2])];
  const total = match[3] === '*' ? undefined : Number(match[3]);
  return last >= start && (total === undefined || last < total) ? { start, end: last + 1, total } : undefined;
}

/** What blobs are read with: the client of a registry, here or in another thread. */
export interface BlobHttp {
  /** As messages name the registry. */
  readonly host: string;
  readonly clock: Clock;
  /** What blob bodies have to wait for. */
  readonly rates: readonly Pick<ByteRate, 'take'>[];
  /** @throws LayerswarmError as `Origin` says */
  send(request: RegistryRequest): Promise<Answer>;
  /** What a failure while the body of an answer was read means. */
  failure(what: string, error: unknown, signal: AbortSignal | undefined): Failure;
  /** Bytes of blobs have come. */
  countBytes(bytes: number): void;
  /** Whether the registry heeds Range. */
  tellRanges(heeded: boolean): void;
}

/** The whole body of a blob, from its beginning, whoever asked for it. */
interface WholeBody {
  readonly answer: Answer;
  readonly ended: AbortController;
}

/** The registry answered a Range with something that no part can be taken from, but perhaps with the whole. */
class UnusableRange extends Error {
  readonly whole: WholeBody | undefined;

  constructor(whole?: WholeBody) {
    super();
    this.whole = whole;
  }
}

/** The read goes on, far slower than its siblings. */
class Crawling extends Error {}

/** What registries say to a Range that they do not support, or get wrong; a refusal of the blob itself is said again to a plain GET. */
const NO_RANGE: ReadonlySet<number> = new Set([400, 405, 416, 501]);
/** Bytes that no two parts of a blob begin with alike by chance, unless they are all the same. */
const HEAD_BYTES = 64;
const MAX_HEADS = 256;
/** Milliseconds for which a registry that handles ranges badly is asked for whole blobs alone. */
const WHOLE_FOR = 10 * 60_000;

/** Reads ranges of blobs over HTTP, resuming with a new Range request where a body breaks off, or by whole blobs where there are no ranges. */
export class BlobReader {
  readonly #http: BlobHttp;
  readonly #whole = new WholeBlobs();
  /** How blobs begin that were read of late. */
  readonly #heads = new BoundedMap<string, Buffer>(MAX_HEADS);
  readonly #pace: Pace;
  #wholeUntil = Number.NEGATIVE_INFINITY;

  constructor(http: BlobHttp) {
    this.#http = http;
    this.#pace = new Pace(http.clock);
  }

  async *read(repository: string, digest: Digest, range: BlobRange, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    const { start, end } = range;
    if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start) {
      throw new LayerswarmError('range-invalid', `expected a range of bytes, received [${start}, ${end})`);
    }
    const blob = { what: `the blob ${digest.toString()} of ${checkRepositoryName(repository)}`, repository, digest, size: range.size };
    let position = start;
    let fruitless = 0;
    let abandoned = 0;
    let body: WholeBody | undefined;
    let whole = range.plain === true || this.#http.clock.now() < this.#wholeUntil;
    for (let resumes = 0; position < end; resumes++) {
      const before = position;
      try {
        for await (const chunk of whole ? this.#fromWhole(blob, position, end, signal, body) : this.#part(blob, position, end, signal)) {
          position += chunk.length;
          yield chunk;
        }
        // complete for what was asked, or a shorter 206, which RFC 9110 §15.3.7 allows: the rest is asked for
        if (position === before) throw new LayerswarmError('size-mismatch', `${this.#http.host} sent no byte of ${blob.what}`);
      } catch (error) {
        if (error instanceof UnusableRange && !whole) {
          whole = true;
          body = error.whole;
          continue;
        }
        if (error instanceof Crawling && abandoned < MAX_ABANDONED) {
          abandoned++;
          continue;
        }
        const { error: meaning, transient } = this.#http.failure(blob.what, error, signal);
        fruitless = position > before ? 0 : fruitless + 1;
        if (!transient || fruitless >= MAX_FRUITLESS || resumes >= MAX_RESUMES) throw meaning;
        if (fruitless > 0) await this.#pause(fruitless, blob.what, signal);
      }
    }
  }

  close(): void {
    this.#whole.close();
  }

  /** The bytes from `position` to `end`, or to where a shorter 206 ends. @throws UnusableRange; LayerswarmError `size-mismatch`, `unsupported`; network errors */
  async *#part(blob: Blob, position: number, end: number, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array, void, undefined> {
    const crawls = new AbortController();
    const ended = new AbortController();
    using _ = forwarded(signal, ended);
    const answer = await this.#request(
      blob,
      { range: `bytes=${position}-${end - 1}` },
      [200, 206, ...NO_RANGE],
      AbortSignal.any([crawls.signal, ended.signal]),
    );
    let isPassedOn = false;
    try {
      // of those who get all of it the first reads on, for whoever wants a part
      if (answer.status === 200 && position === 0 && answer.contentLength !== end && this.#whole.isFree(keyOf(blob))) {
        isPassedOn = true;
        throw new UnusableRange({ answer, ended });
      }
      using pace = this.#pace.begin(() => crawls.abort());
      const to = this.#endOf(blob, answer, position, end);
      let at = position;
      pace.waiting();
      for await (const chunk of answer) {
        pace.got(chunk.length);
        if (at === position) this.#requireOtherThanHead(blob, position, chunk);
        await this.#taken(chunk.length, signal);
        at += chunk.length;
        if (at > to) throw new UnusableRange();
        yield chunk;
        pace.waiting();
      }
      if (at < to) throw new UnusableRange();
    } catch (error) {
      throw crawls.signal.aborted ? new Crawling() : error;
    } finally {
      if (!isPassedOn) answer.discard();
    }
  }

  /** Some registries send the first bytes of a blob whatever part is asked for, under headers that are right. */
  #requireOtherThanHead(blob: Blob, position: number, chunk: Uint8Array): void {
    const key = keyOf(blob);
    const begin = chunk.subarray(0, HEAD_BYTES);
    if (begin.length < HEAD_BYTES) return;
    if (position === 0) {
      this.#heads.set(key, Buffer.from(begin));
    } else if (this.#heads.get(key)?.equals(begin) === true && begin.some((byte) => byte !== begin[0])) throw new UnusableRange();
  }

  /** Where the part that was answered ends. */
  #endOf(blob: Blob, answer: Answer, position: number, end: number): number {
    requireIdentity(blob.what, answer);
    const { status, contentLength: length } = answer;
    if (status === 416) this.#requireSize(blob, /^bytes \*\/(\d{1,15})$/.exec(answer.header('content-range') ?? '')?.[1], end);
    // a server that ignores Range sends the blob from its beginning: right where that is all of it
    if (status === 200 && position === 0 && length === end) return end;
    const range = status === 206 ? parseContentRange(answer.header('content-range')) : undefined;
    if (range === undefined || range.start !== position || range.end > end || (length !== undefined && length !== range.end - range.start))
      throw new UnusableRange();
    this.#requireSize(blob, range.total, end);
    this.#http.tellRanges(true);
    return range.end;
  }

  /** The same from a plain GET, for a registry that cannot give parts. @param body one that is there already */
  async *#fromWhole(
    blob: Blob,
    position: number,
    end: number,
    signal: AbortSignal | undefined,
    body: WholeBody | undefined,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    let unused = body;
    const reading = this.#whole.read(
      keyOf(blob),
      position,
      end,
      {
        open: async (ended) => {
          const answer = unused?.answer ?? (await this.#request(blob, {}, [200], ended));
          if (unused !== undefined) forwarded(ended, unused.ended);
          unused = undefined;
          try {
            requireIdentity(blob.what, answer);
            this.#requireSize(blob, answer.contentLength, end);
          } catch (error) {
            answer.discard();
            throw error;
          }
          this.#http.tellRanges(false);
          this.#wholeUntil = this.#http.clock.now() + WHOLE_FOR;
          return answer;
        },
        taken: (bytes) => this.#taken(bytes, signal),
      },
      signal,
    );
    try {
      yield* reading;
    } finally {
      unused?.answer.discard();
    }
  }

  async #request(blob: Blob, headers: Record<string, string>, accept: readonly number[], signal: AbortSignal | undefined): Promise<Answer> {
    const { what, repository, digest } = blob;
    return this.#http.send({
      what,
      method: 'GET',
      target: `/v2/${repository}/blobs/${digest.toString()}`,
      access: { scopes: [`repository:${repository}:pull`], repository },
      headers,
      accept,
      bulk: true,
      locationKey: keyOf(blob),
      signal,
    });
  }

  async #taken(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    this.#http.countBytes(bytes);
    for (const rate of this.#http.rates) await rate.take(bytes, signal);
  }

  /** @throws LayerswarmError `size-mismatch` where the registry has another size than is expected, or less than is asked for */
  #requireSize({ what, size }: Blob, said: number | string | undefined, end: number): void {
    const has = said === undefined ? undefined : Number(said);
    if (has === undefined || (has >= end && (size === undefined || has === size))) return;
    throw new LayerswarmError('size-mismatch', `${this.#http.host} has ${has} bytes of ${what}, expected ${size ?? `at least ${end}`}`);
  }

  async #pause(failures: number, what: string, signal: AbortSignal | undefined): Promise<void> {
    const { clock } = this.#http;
    try {
      await clock.sleep(backoff(failures, DEFAULT_RETRY, clock.random()), signal);
    } catch (error) {
      throw this.#http.failure(what, error, signal).error;
    }
  }
}

/** What aborts `signal` aborts `target`, until it is disposed of. */
function forwarded(signal: AbortSignal | undefined, target: AbortController): Disposable {
  const abort = (): void => {
    target.abort(signal?.reason);
  };
  if (signal?.aborted === true) abort();
  signal?.addEventListener('abort', abort, { once: true });
  return {
    [Symbol.dispose]: () => {
      signal?.removeEventListener('abort', abort);
    },
  };
}

interface Blob {
  /** In words, for messages. */
  readonly what: string;
  readonly repository: string;
  readonly digest: Digest;
  readonly size: number | undefined;
}

function keyOf({ repository, digest }: Blob): string {
  return `${repository}@${digest.toString()}`;
}
