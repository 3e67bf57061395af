import { LayerswarmError } from '../../errors.ts';
import { Digest } from '../../oci/digest.ts';
import { MAX_MANIFEST_BYTES, rawManifest } from '../../oci/manifest.ts';
import { mediaTypeEssence } from '../../oci/media-type.ts';
import { isTag } from '../../oci/name.ts';
import type { BlobStore } from '../../store/blob-store.ts';
import type { ImageStore } from '../../store/images/image-store.ts';
import type { RegistryLog, RegistryRequest, RegistryResponse } from '../http/message.ts';
import { hasBody, readBody, readWholeBody } from '../http/read-body.ts';
import type { Repository } from '../namespace.ts';
import type { UploadSession } from '../push/upload-session.ts';
import type { UploadSessions } from '../push/upload-sessions.ts';
import { type PushRequest, uploadPath } from './push-request.ts';

export interface PushWitnessOptions {
  readonly store: BlobStore;
  readonly images: ImageStore;
  readonly uploads: UploadSessions;
  readonly log: RegistryLog;
  readonly onTag: (repository: string, tag: string) => void;
  readonly now: () => number;
}

/** Sends the request on, with `body` in place of its own. */
type Forward = (body?: AsyncIterable<Uint8Array>) => Promise<RegistryResponse>;

/**
 * Keeps a copy of what is pushed to the origin: blobs whose digest proves true, manifests and tags, each once the origin has taken
 * it. A push never fails for the copy's sake: a full disk here only means that another node seeds.
 */
export class PushWitness {
  readonly #options: PushWitnessOptions;
  /** Copies under way, by the path of their upload at the origin. */
  readonly #copies = new Map<string, UploadSession>();

  constructor(options: PushWitnessOptions) {
    this.#options = options;
  }

  watch(
    push: Exclude<PushRequest, { kind: 'other' }>,
    repository: Repository,
    request: RegistryRequest,
    forward: Forward,
  ): Promise<RegistryResponse> {
    switch (push.kind) {
      case 'start':
        return this.#start(push, repository, request, forward);
      case 'append':
        return this.#append(push.upload, repository, request, forward);
      case 'finish':
        return this.#finish(push.upload, push.digest, repository, request, forward);
      case 'manifest':
        return this.#manifest(push.reference, repository, request, forward);
      case 'cancel':
        return this.#cancel(push.upload, forward);
    }
  }

  async #start(
    { mount, digest }: PushRequest & { kind: 'start' },
    repository: Repository,
    request: RegistryRequest,
    forward: Forward,
  ): Promise<RegistryResponse> {
    this.#forgetExpired();
    const copy = await this.#newCopy(repository);
    const answer = await this.#forwardCopied(copy, request, forward);
    const location = answer.headers['location'];
    if (answer.status === 202 && typeof location === 'string' && location.startsWith('/') && copy?.size === 0) {
      this.#copies.set(uploadPath(location), copy);
      return answer;
    }
    if (answer.status === 201 && mount !== undefined) this.#link(repository, mount);
    if (answer.status === 201 && digest !== undefined && copy !== undefined) await this.#keepBlob(copy, digest, repository);
    await copy?.close();
    return answer;
  }

  async #append(upload: string, repository: Repository, request: RegistryRequest, forward: Forward): Promise<RegistryResponse> {
    const copy = this.#copyOf(upload, repository);
    const answer = await this.#forwardCopied(copy, request, forward);
    if (copy === undefined) return answer;
    const range = answer.headers['range'];
    const isInStep =
      answer.status === 202 && typeof range === 'string' && Number(/-(\d+)$/.exec(range)?.[1]) === Math.max(0, copy.size - 1);
    const location = answer.headers['location'];
    if (!isInStep) {
      await this.#drop(upload);
    } else if (typeof location === 'string') {
      this.#copies.delete(upload);
      this.#copies.set(uploadPath(location), copy);
    }
    return answer;
  }

  async #finish(
    upload: string,
    digest: string,
    repository: Repository,
    request: RegistryRequest,
    forward: Forward,
  ): Promise<RegistryResponse> {
    const copy = this.#copyOf(upload, repository);
    const answer = await this.#forwardCopied(copy, request, forward);
    // before the client hears of it: the next thing that it may do is to let every host pull
    if (answer.status === 201 && copy !== undefined) await this.#keepBlob(copy, digest, repository);
    await this.#drop(upload);
    return answer;
  }

  async #cancel(upload: string, forward: Forward): Promise<RegistryResponse> {
    const answer = await forward();
    await this.#drop(upload);
    return answer;
  }

  async #manifest(reference: string, repository: Repository, request: RegistryRequest, forward: Forward): Promise<RegistryResponse> {
    const bytes = await readWholeBody(request.body, MAX_MANIFEST_BYTES, 'the manifest');
    const answer = await forward(once(bytes));
    if (answer.status !== 201) return answer;
    await this.#keepManifest(bytes, reference, repository, request);
    if (isTag(reference)) this.#options.onTag(repository.full, reference);
    return answer;
  }

  async #forwardCopied(copy: UploadSession | undefined, request: RegistryRequest, forward: Forward): Promise<RegistryResponse> {
    try {
      return await forward(copy === undefined || !hasBody(request.body) ? undefined : this.#copied(copy, readBody(request.body)));
    } catch (error) {
      await copy?.close();
      throw error;
    }
  }

  /** `source`, each chunk written to the copy on its way. */
  async *#copied(copy: UploadSession, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let writer = await copy.openWriter().catch((error: unknown) => this.#giveUp(copy, error));
    try {
      for await (const chunk of source) {
        try {
          await writer?.write(chunk);
        } catch (error) {
          await writer?.close();
          writer = undefined;
          this.#giveUp(copy, error);
        }
        yield chunk;
      }
    } finally {
      await writer?.close();
    }
  }

  #giveUp(copy: UploadSession, error: unknown): undefined {
    this.#options.log.warn(`a layer is pushed without a copy here: ${(error as Error).message}`);
    void copy.close();
  }

  async #keepBlob(copy: UploadSession, digestText: string, repository: Repository): Promise<void> {
    const digest = Digest.tryParse(digestText);
    if (digest === undefined || copy.isClosed) return;
    try {
      await this.#options.store.write(copy.bytes(), { expected: digest, expectedSize: copy.size });
      this.#options.images.link(repository.full, digest);
    } catch (error) {
      this.#options.log.warn(`could not keep a layer that was pushed: ${(error as Error).message}`, { digest: digest.toString() });
    }
  }

  async #keepManifest(bytes: Buffer, reference: string, repository: Repository, request: RegistryRequest): Promise<void> {
    const { images, now, log } = this.#options;
    try {
      const { raw } = rawManifest(bytes, {
        mediaType: mediaTypeEssence(request.headers['content-type']),
        expected: Digest.tryParse(reference),
      });
      await images.putManifest(repository.full, raw);
      if (isTag(reference)) images.setTag(repository.full, reference, raw.digest, now());
    } catch (error) {
      log.warn(`could not keep a manifest that was pushed: ${(error as Error).message}`);
    }
  }

  #link(repository: Repository, digestText: string): void {
    const digest = Digest.tryParse(digestText);
    if (digest !== undefined) this.#options.images.link(repository.full, digest);
  }

  async #newCopy(repository: Repository): Promise<UploadSession | undefined> {
    try {
      return await this.#options.uploads.create(repository.name);
    } catch (error) {
      if (!(error instanceof LayerswarmError)) throw error;
      return undefined; // as many copies as are allowed are under way
    }
  }

  #copyOf(upload: string, repository: Repository): UploadSession | undefined {
    const copy = this.#copies.get(upload);
    if (copy === undefined || copy.repository !== repository.name) return undefined;
    if (!copy.isClosed) return copy;
    this.#copies.delete(upload);
    return undefined;
  }

  #forgetExpired(): void {
    for (const [upload, copy] of this.#copies) {
      if (copy.isClosed) this.#copies.delete(upload);
    }
  }

  async #drop(upload: string): Promise<void> {
    const copy = this.#copies.get(upload);
    this.#copies.delete(upload);
    await copy?.close();
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
