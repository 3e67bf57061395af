import { LayerswarmError } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import { checkRepositoryName } from '../oci/name.ts';
import { backoff, DEFAULT_RETRY } from './retry.ts';
import type { RegistryHttp } from './registry-http.ts';
import type { Answer } from './transport.ts';

/** Times that a body may break off with no byte since the last, and in all. */
const MAX_FRUITLESS = 3;
const MAX_RESUMES = 20;

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

/** Reads ranges of blobs over HTTP, resuming with a new Range request where a body breaks off. */
export class BlobReader {
  readonly #http: RegistryHttp;
  #ranges: boolean | undefined;

  constructor(http: RegistryHttp) {
    this.#http = http;
  }

  /** Whether the origin heeds Range; undefined until a range was asked for. */
  get ranges(): boolean | undefined {
    return this.#ranges;
  }

  async* read(repository: string, digest: Digest, { start, end }: { start: number; end: number }, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start) {
      throw new LayerswarmError('range-invalid', `expected a range of bytes, received [${start}, ${end})`);
    }
    const what = `the blob ${digest.toString()} of ${checkRepositoryName(repository)}`;
    let position = start;
    let fruitless = 0;
    for (let resumes = 0; position < end; resumes++) {
      const answer = await this.#request(what, repository, digest, position, end, signal);
      const before = position;
      try {
        for await (const chunk of this.#body(what, answer, position, end, signal)) {
          position += chunk.length;
          yield chunk;
        }
        // complete for what was asked, or a shorter 206, which RFC 9110 §15.3.7 allows: the rest is asked for
        if (position === before) throw new LayerswarmError('size-mismatch', `${this.#http.url.host} sent no byte of ${what}`);
      } catch (error) {
        const { error: meaning, transient } = this.#http.failure(what, error, signal);
        fruitless = position > before ? 0 : fruitless + 1;
        if (!transient || fruitless >= MAX_FRUITLESS || resumes >= MAX_RESUMES) throw meaning;
        if (fruitless > 0) await this.#pause(fruitless, what, signal);
      } finally {
        answer.discard();
      }
    }
  }

  async #request(what: string, repository: string, digest: Digest, position: number, end: number, signal: AbortSignal | undefined): Promise<Answer> {
    return this.#http.send({
      what,
      method: 'GET',
      target: `/v2/${repository}/blobs/${digest.toString()}`,
      access: { scopes: [`repository:${repository}:pull`], repository },
      headers: { range: `bytes=${position}-${end - 1}` },
      accept: [200, 206],
      bulk: true,
      locationKey: `${repository}@${digest.toString()}`,
      signal,
    });
  }

  /** The bytes from `position` to `end`, or to where a shorter 206 ends. @throws LayerswarmError `size-mismatch`, `unsupported`; network errors */
  async* #body(what: string, answer: Answer, position: number, end: number, signal: AbortSignal | undefined): AsyncGenerator<Buffer, void, undefined> {
    const host = answer.url.host;
    this.#http.requireIdentity(what, answer);
    const { from, to } = this.#extent(what, answer, position, end);
    let at = from;
    for await (const chunk of answer) {
      this.#http.health.countBytes(chunk.length);
      for (const rate of this.#http.rates) await rate.take(chunk.length, signal);
      const wanted = chunk.subarray(Math.max(0, position - at), Math.max(0, end - at));
      at += chunk.length;
      if (at > to) throw new LayerswarmError('size-mismatch', `${host} sent more than the ${to - from} bytes that it announced for ${what}`);
      if (wanted.length > 0) yield wanted;
      if (answer.status === 200 && at >= end) return;
    }
    if (at < to) throw new LayerswarmError('size-mismatch', `${host} sent ${at - from} of ${to - from} bytes of ${what}`);
  }

  /** Offsets in the blob that the body covers: [from, to). */
  #extent(what: string, answer: Answer, position: number, end: number): { from: number; to: number } {
    const { contentLength: length } = answer;
    if (answer.status === 200) {
      // a server that ignores Range sends the blob from its beginning
      if (position > 0 || (length !== undefined && length > end)) this.#ranges = false;
      if (length !== undefined && length < end) throw new LayerswarmError('size-mismatch', `${answer.url.host} has ${length} bytes of ${what}, expected at least ${end}`);
      return { from: 0, to: length ?? Number.MAX_SAFE_INTEGER };
    }
    const range = parseContentRange(answer.header('content-range'));
    const agrees = range !== undefined && range.start === position && range.end <= end && (length === undefined || length === range.end - range.start);
    if (!agrees) {
      const received = answer.header('content-range')?.slice(0, 60) ?? 'no Content-Range';
      throw new LayerswarmError('size-mismatch', `asked ${answer.url.host} for bytes ${position}-${end - 1} of ${what}, received ${received} with ${length ?? 'unknown'} bytes`);
    }
    this.#ranges = true;
    return { from: range.start, to: range.end };
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
