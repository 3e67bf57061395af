import { errorCode, LayerswarmError, type ErrorCode } from '../errors.ts';
import { Digest } from '../oci/digest.ts';
import type { RawManifest } from '../oci/manifest.ts';
import type { Origin, OriginHealth } from '../origin/origin.ts';
import type { PeerNetwork } from './network/network.ts';
import type { Message, MessageOf, MessageType } from './protocol/message.ts';

const SCHEME = 'embedded:';
/** One round trip, and on the other side a look into a file. */
const ANSWER_TIMEOUT_MS = 10_000;
const PROBE_TIMEOUT_MS = 3000;

/** What a peer can answer about content or rights; every other failure means that it could not be asked. */
const ANSWERS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'not-found',
  'denied',
  'range-invalid',
  'too-large',
  'aborted',
  'digest-mismatch',
  'name-invalid',
  'reference-invalid',
  'origin-denied',
]);

/** How the answers of an embedded origin are counted: as a registry would have given them. */
const STATUS: Readonly<Partial<Record<ErrorCode, string>>> = {
  'not-found': '404',
  denied: '403',
  'origin-denied': '403',
  'range-invalid': '416',
  'name-invalid': '400',
  'reference-invalid': '400',
  'too-large': '413',
  timeout: 'timeout',
};

/** What a request to an embedded origin that failed counts as, as in `OriginHealth.answers`; undefined where the caller gave up. */
export function failedAnswer(error: unknown): string | undefined {
  const code = errorCode(error);
  return code === 'aborted' ? undefined : (STATUS[code] ?? 'unreachable');
}

/** The member that `url` names, where it is an embedded origin. */
export function embeddedOriginPeer(url: string): string | undefined {
  return url.startsWith(SCHEME) && url.length > SCHEME.length ? url.slice(SCHEME.length) : undefined;
}

/** How members know the origin that is embedded in the node of that peer id. */
function embeddedOriginUrl(peerId: string): string {
  return `${SCHEME}${peerId}`;
}

/** Bytes of a blob that a member holds. */
export type MemberRead = (
  peerId: string,
  digest: Digest,
  range: { start: number; end: number },
  signal?: AbortSignal,
) => AsyncIterable<Uint8Array>;

/** The origin that is embedded in another member: tags and manifests by messages, blobs over its lane. */
export class MemberOrigin implements Origin {
  readonly url: string;
  readonly #network: PeerNetwork;
  readonly #peerId: string;
  readonly #read: MemberRead;
  readonly #answers = new Map<string, number>();
  #bytes = 0;
  #name = '';
  #reason: string | undefined;
  #reachedAt: number | undefined;

  /** @param read reads what a member holds, over its lane */
  constructor(network: PeerNetwork, peerId: string, read: MemberRead) {
    this.#read = read;
    this.url = embeddedOriginUrl(peerId);
    this.#network = network;
    this.#peerId = peerId;
  }

  get health(): OriginHealth {
    const facts = { bytes: this.#bytes, answers: this.#answers, ...(this.#reachedAt === undefined ? {} : { reachedAt: this.#reachedAt }) };
    if (this.#reason !== undefined) return { state: 'unreachable', reason: this.#reason, ...facts };
    return { state: this.#reachedAt === undefined ? 'unknown' : 'ok', ...facts };
  }

  async resolveTag(repository: string, tag: string, signal?: AbortSignal): Promise<Digest> {
    const { digest } = await this.#ask({ type: 'origin-resolve', repository, tag }, 'tag', signal);
    if (digest === undefined) throw new LayerswarmError('not-found', `the origin has no ${repository}:${tag}`);
    return Digest.parse(digest);
  }

  async manifest(repository: string, digest: Digest, signal?: AbortSignal): Promise<RawManifest> {
    const { mediaType, bytes } = await this.#ask({ type: 'origin-manifest', repository, digest: digest.toString() }, 'manifest', signal);
    if (!Digest.of(bytes, digest.algorithm).equals(digest)) {
      throw new LayerswarmError('digest-mismatch', `member ${this.#peerId} sent other bytes than the manifest ${digest.toString()}`);
    }
    return { digest, mediaType, bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
  }

  async blobSize(repository: string, digest: Digest, signal?: AbortSignal): Promise<number> {
    return (await this.#ask({ type: 'origin-blob-size', repository, digest: digest.toString() }, 'blob-size', signal)).size;
  }

  async *readBlob(
    _repository: string,
    digest: Digest,
    range: { start: number; end: number },
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of this.#read(this.#peerId, digest, range, signal)) {
        this.#bytes += chunk.length;
        yield chunk;
      }
      this.#count('200');
      this.#reached();
    } catch (error) {
      this.#count(failedAnswer(error));
      throw this.#failed(error);
    }
  }

  readElsewhere(bytes: number, answers: Readonly<Record<string, number>>): void {
    this.#bytes += bytes;
    for (const [code, times] of Object.entries(answers)) this.#count(code, times);
    if (bytes > 0) this.#reached();
  }

  async tags(repository: string, signal?: AbortSignal): Promise<string[]> {
    return (await this.#ask({ type: 'origin-tags', repository }, 'tags', signal)).tags;
  }

  async referrers(repository: string, subject: Digest, artifactType?: string, signal?: AbortSignal): Promise<Buffer | undefined> {
    const message: MessageOf<'origin-referrers'> = { type: 'origin-referrers', repository, digest: subject.toString() };
    const { index } = await this.#ask(artifactType === undefined ? message : { ...message, artifactType }, 'referrers', signal);
    return index === undefined ? undefined : Buffer.from(index.buffer, index.byteOffset, index.byteLength);
  }

  async probe(signal?: AbortSignal): Promise<OriginHealth> {
    try {
      await this.#ask({ type: 'ping' }, 'ok', signal, PROBE_TIMEOUT_MS);
    } catch {
      // `health` has the reason.
    }
    return this.health;
  }

  async close(): Promise<void> {
    await Promise.resolve();
  }

  async #ask<T extends MessageType>(
    message: Message,
    answer: T,
    signal: AbortSignal | undefined,
    timeoutMs = ANSWER_TIMEOUT_MS,
  ): Promise<MessageOf<T>> {
    try {
      const answered = await this.#network.request(
        this.#peerId,
        message,
        answer,
        signal === undefined ? { timeoutMs } : { timeoutMs, signal },
      );
      this.#count('200');
      this.#reached();
      return answered;
    } catch (error) {
      this.#count(failedAnswer(error));
      throw this.#failed(error);
    }
  }

  #count(code: string | undefined, times = 1): void {
    if (code !== undefined) this.#answers.set(code, (this.#answers.get(code) ?? 0) + times);
  }

  /** By the name that it had when it was last here: people know hosts by name. */
  #called(): string {
    this.#name = this.#network.peer(this.#peerId)?.name ?? this.#name;
    return this.#name === '' ? `the member ${this.#peerId}` : this.#name;
  }

  #reached(): void {
    this.#called();
    this.#reachedAt = Date.now();
    this.#reason = undefined;
  }

  #failed(error: unknown): LayerswarmError {
    const code = errorCode(error);
    if (error instanceof LayerswarmError && ANSWERS.has(code)) {
      if (code !== 'aborted') this.#reached();
      return error;
    }
    this.#reason = `${this.#called()}, whose node holds the origin, cannot be reached`;
    return new LayerswarmError('origin-unreachable', this.#reason, { cause: error });
  }
}
