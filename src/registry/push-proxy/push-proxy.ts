import type { Dispatcher } from 'undici';
import { LayerswarmError } from '../../errors.ts';
import type { BlobStore } from '../../store/blob-store.ts';
import type { ImageStore } from '../../store/images/image-store.ts';
import { type EndpointObserver, HttpEndpoint } from '../http/endpoint.ts';
import type { ListenAddress } from '../../http/listen.ts';
import type { RegistryLog, RegistryRequest, RegistryResponse } from '../http/message.ts';
import type { Namespaces } from '../namespace.ts';
import { originUnknown } from '../origin-unknown.ts';
import type { MakeRoom } from '../push/upload-session.ts';
import { UploadSessions } from '../push/upload-sessions.ts';
import { forward } from './forward.ts';
import { parsePushRequest } from './push-request.ts';
import { PushWitness } from './push-witness.ts';

export interface PushProxyOptions {
  readonly listen: ListenAddress;
  /** See `EndpointOptions`. */
  readonly hostNames?: readonly string[];
  /** The origin as it is known now, and how to connect to it (its TLS settings). */
  readonly upstream: () => { readonly url: string; readonly dispatcher: Dispatcher | undefined } | undefined;
  readonly namespaces: Namespaces;
  readonly store: BlobStore;
  readonly images: ImageStore;
  /** Repositories that are never shared in the swarm: nothing of them is kept either. */
  readonly isExcluded: (repository: string) => boolean;
  /** Holds what is being pushed until the origin has taken it. */
  readonly uploadsFolder: string;
  readonly makeRoom?: MakeRoom;
  /** Told of each tag that the origin took, by the repository's full name. */
  readonly onTag: (repository: string, tag: string) => void;
  readonly log: RegistryLog;
  readonly observer: EndpointObserver;
}

/**
 * The push listener in front of a remote origin. Everything passes through with the caller's own credentials and the origin's
 * own challenges, so that who may push is the origin's to decide; what the origin took is kept here, and this node is its first seeder.
 */
export class PushProxy {
  readonly #options: PushProxyOptions;
  readonly #endpoint: HttpEndpoint;
  readonly #uploads: UploadSessions;
  readonly #witness: PushWitness;

  constructor(options: PushProxyOptions) {
    this.#options = options;
    this.#uploads = new UploadSessions({
      folder: options.uploadsFolder,
      now: Date.now,
      ...(options.makeRoom === undefined ? {} : { makeRoom: options.makeRoom }),
    });
    this.#witness = new PushWitness({ ...options, uploads: this.#uploads, now: Date.now });
    this.#endpoint = new HttpEndpoint({
      listen: options.listen,
      hostNames: options.hostNames ?? [],
      routes: [{ name: 'push', method: '*', path: /^\/v2(?:\/.*)?$/, unknown: 'NAME_UNKNOWN', handle: (request) => this.#handle(request) }],
      log: options.log,
      observer: options.observer,
    });
  }

  get url(): string {
    return this.#endpoint.url;
  }

  /** @throws LayerswarmError `port-taken`, `config-invalid`, `store-unwritable` */
  async start(): Promise<void> {
    await this.#uploads.start();
    await this.#endpoint.start();
  }

  async stop(graceMs?: number): Promise<void> {
    await this.#endpoint.stop(graceMs);
    await this.#uploads.stop();
  }

  async #handle(request: RegistryRequest): Promise<RegistryResponse> {
    const upstream = this.#upstream();
    const push = parsePushRequest(request);
    if (push.kind === 'other') return forward(upstream, request);
    const repository = this.#options.namespaces.pushed(push.name, request.query);
    if (this.#options.isExcluded(repository.name)) return forward(upstream, request);
    return this.#witness.watch(push, repository, request, (body) => forward(upstream, request, body));
  }

  #upstream(): { readonly url: URL; readonly dispatcher: Dispatcher } {
    const upstream = this.#options.upstream();
    if (upstream === undefined) throw originUnknown();
    const { dispatcher } = upstream;
    const url = new URL(upstream.url);
    if (dispatcher === undefined)
      throw new LayerswarmError(
        'unsupported',
        `the origin is embedded in the member ${url.pathname}: push to the registry endpoint of that host`,
      );
    if (url.pathname !== '/') throw new LayerswarmError('unsupported', `the origin ${upstream.url} is under a path: push to it directly`);
    return { url, dispatcher };
  }
}
