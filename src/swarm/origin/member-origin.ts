import { errorCode, LayerswarmError } from '../../errors.ts';
import { Digest } from '../../oci/digest.ts';
import { rawManifest, type RawManifest } from '../../oci/manifest.ts';
import type { Origin, OriginHealth } from '../../origin/origin.ts';
import type { Network } from '../network/network.ts';
import type { Message, MessageOf, MessageType } from '../protocol/message.ts';
import { laneStream } from './lane-stream.ts';

const REQUEST_TIMEOUT_MS = 5000;
const PROBE_TIMEOUT_MS = 3000;

/** The embedded origin of another member: tags and manifests over control messages, blobs over its lane. */
export class MemberOrigin implements Origin {
  readonly url: string;
  readonly #network: Network;
  readonly #peerId: string;
  #bytes = 0;
  #lastFailure: string | undefined;
  #answered = false;

  constructor(network: Network, peerId: string) {
    this.url = `embedded:${peerId}`;
    this.#network = network;
    this.#peerId = peerId;
  }

  get health(): OriginHealth {
    const bytes = this.#bytes;
    if (this.#network.peer(this.#peerId) === undefined) return { state: 'unreachable', reason: `the member ${this.#peerId}, which is the origin, is not connected`, bytes };
    if (this.#lastFailure !== undefined) return { state: 'unreachable', reason: this.#lastFailure, bytes };
    return { state: this.#answered ? 'ok' : 'unknown', bytes };
  }

  async resolveTag(repository: string, tag: string, signal?: AbortSignal): Promise<Digest> {
    const answer = await this.#ask({ type: 'origin-resolve', repository, tag }, 'tag', signal);
    if (answer.digest === undefined) throw new LayerswarmError('not-found', `${repository}:${tag} is not in the origin`);
    return Digest.parse(answer.digest);
  }

  async manifest(repository: string, digest: Digest, signal?: AbortSignal): Promise<RawManifest> {
    const { bytes, mediaType } = await this.#ask({ type: 'origin-manifest', repository, digest: digest.toString() }, 'manifest', signal);
    return rawManifest(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), { mediaType, expected: digest }).raw;
  }

  async blobSize(repository: string, digest: Digest, signal?: AbortSignal): Promise<number> {
    return (await this.#ask({ type: 'origin-blob-size', repository, digest: digest.toString() }, 'blob-size', signal)).size;
  }

  async *readBlob(_repository: string, digest: Digest, range: { start: number; end: number }, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    try {
      const lane = await this.#network.lane(this.#peerId, signal);
      for await (const chunk of laneStream(lane, digest, range, signal)) {
        this.#bytes += chunk.length;
        yield chunk;
      }
      this.#answered = true;
    } catch (error) {
      throw this.#explain(error);
    }
  }

  async tags(repository: string, signal?: AbortSignal): Promise<string[]> {
    return (await this.#ask({ type: 'origin-tags', repository }, 'tags', signal)).tags;
  }

  async referrers(repository: string, subject: Digest, artifactType?: string, signal?: AbortSignal): Promise<Buffer | undefined> {
    const { index } = await this.#ask({ type: 'origin-referrers', repository, digest: subject.toString(), artifactType }, 'referrers', signal);
    return index === undefined ? undefined : Buffer.from(index.buffer, index.byteOffset, index.length);
  }

  async probe(signal?: AbortSignal): Promise<OriginHealth> {
    try {
      await this.#network.request(this.#peerId, { type: 'ping' }, 'ok', { timeoutMs: PROBE_TIMEOUT_MS, ...(signal === undefined ? {} : { signal }) });
      this.#worked();
    } catch (error) {
      this.#lastFailure = this.#explain(error).message;
    }
    return this.health;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #ask<T extends MessageType>(message: Message, answer: T, signal: AbortSignal | undefined): Promise<MessageOf<T>> {
    try {
      const result = await this.#network.request(this.#peerId, message, answer, { timeoutMs: REQUEST_TIMEOUT_MS, ...(signal === undefined ? {} : { signal }) });
      this.#worked();
      return result;
    } catch (error) {
      throw this.#explain(error);
    }
  }

  #worked(): void {
    this.#answered = true;
    this.#lastFailure = undefined;
  }

  /** A member that is gone is an origin that cannot be reached; what it answered stays as it is. */
  #explain(error: unknown): LayerswarmError {
    const code = errorCode(error);
    if (error instanceof LayerswarmError && code !== 'peer-gone' && code !== 'timeout' && code !== 'unavailable') return error;
    const failure = new LayerswarmError('origin-unreachable', `the member ${this.#peerId}, which is the origin, does not answer: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    this.#lastFailure = failure.message;
    return failure;
  }
}
