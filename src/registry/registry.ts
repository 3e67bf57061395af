import type { EmbeddedOrigin } from '../origin/embedded.ts';
import type { Origin } from '../origin/origin.ts';
import type { BlobStore } from '../store/blob-store.ts';
import type { ImageStore } from '../store/images/image-store.ts';
import type { BlobExchange } from '../swarm/swarm.ts';
import { type EndpointObserver, HttpEndpoint } from './http/endpoint.ts';
import type { ListenAddress } from '../http/listen.ts';
import type { RegistryLog } from './http/message.ts';
import { ImageResolver, type ImageTiming } from './images/image-resolver.ts';
import type { TagRules, TagWitnesses } from './images/tag-resolver.ts';
import { Namespaces, type Repository } from './namespace.ts';
import { HeldBlobs } from './pull/held-blobs.ts';
import type { LazyObserver, PullObserver, StoreObserver } from './pull/pull-context.ts';
import { pullRoutes } from './pull/pull-routes.ts';
import { embeddedPushRoutes } from './push/embedded-push-routes.ts';
import { readOnlyRoutes } from './push/read-only-routes.ts';
import type { MakeRoom } from './push/upload-session.ts';
import { UploadSessions } from './push/upload-sessions.ts';
import { MirrorExchange, type Upstream } from './upstream.ts';

export interface RegistryOptions {
  readonly server: RegistryServer;
  readonly content: RegistryContent;
  readonly own: OwnRegistry;
  /** Registries that this node mirrors beside its own. */
  readonly mirrors?: () => readonly MirroredRegistry[];
  /** Where this node is the origin: it takes pushes here, and keeps unfinished uploads in the folder. Else the endpoint is read-only. */
  readonly embedded?: { readonly origin: EmbeddedOrigin; readonly uploadsFolder: string; readonly makeRoom?: MakeRoom };
  /** See `PullContext`; false unless given. */
  readonly lazyRanges?: boolean;
  readonly log: RegistryLog;
  readonly counters: RegistryCounters;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  readonly timing?: Partial<ImageTiming>;
  /** See `ImageResolverOptions`. */
  readonly tagRules?: () => TagRules;
}

/** Where clients connect, and what each may take. */
export interface RegistryServer {
  readonly listen: ListenAddress;
  /** See `EndpointOptions`. */
  readonly hostNames?: readonly string[];
  /** Milliseconds until the headers of an answer must be on their way. */
  readonly deadlineMs?: number;
  /** Milliseconds for which a client may take no byte of its answer. */
  readonly stallTimeoutMs?: number;
  /** Connections of clients at a time. */
  readonly maxConnections?: number;
}

/** Where what clients are given comes from. */
export interface RegistryContent {
  readonly store: BlobStore;
  readonly images: ImageStore;
  readonly exchange: BlobExchange;
}

/** The registry that the swarm reads from, and the names that mean it. */
export interface OwnRegistry {
  /** As it is known now; undefined while it has not been learned. */
  readonly origin: () => Origin | undefined;
  /** The registry part of the origin's images in the image store: `registryNameOf(origin.url)`. */
  readonly registryName: () => string | undefined;
  /** See `NamespaceOptions`. */
  readonly repositoryPrefix?: () => string;
  /** Other registries that the origin stands for, lower case, such as `docker.io`: the allow-list of `ns`. */
  readonly aliases: () => readonly string[];
  /** See `NamespaceOptions`. */
  readonly shown?: (text: string) => string;
  readonly tagMemory: TagWitnesses;
  /** Repositories (as at the origin) that are never shared in the swarm. */
  readonly isExcluded: (repository: string) => boolean;
}

/** A registry with an upstream of its own. */
export interface MirroredRegistry {
  /** As in references and `ns`, lower case. */
  readonly name: string;
  readonly origin: Origin;
  /** As of the swarm's own registry; see `OwnRegistry`. */
  readonly tagMemory: TagWitnesses;
  readonly isExcluded: (repository: string) => boolean;
}

/** Clients wait for ever on headers that do not come, and try again after a 503. */
const DEADLINE_MS = 4_800;

/** What the endpoint counts. All arguments but digests and repositories are of small, fixed sets. */
export interface RegistryCounters extends EndpointObserver, PullObserver, StoreObserver, LazyObserver {
  /** A tag was answered whose mapping the origin could not confirm. */
  staleTag(): void;
}

/** The OCI endpoint that container runtimes talk to. */
export class Registry {
  readonly namespaces: Namespaces;
  readonly #own: Upstream;
  readonly #mirrors: () => readonly MirroredRegistry[];
  readonly #upstreams = new WeakMap<MirroredRegistry, Upstream>();
  readonly #openMirror: (mirror: MirroredRegistry) => Upstream;
  readonly #endpoint: HttpEndpoint;
  readonly #held = new HeldBlobs();
  readonly #uploads: UploadSessions | undefined;

  constructor(options: RegistryOptions) {
    const { server, content, own, counters } = options;
    const now = options.now ?? Date.now;
    this.#mirrors = options.mirrors ?? (() => []);
    this.namespaces = new Namespaces({ ...own, mirrors: () => this.#mirrors().map(({ name }) => name) });
    const rules = {
      now,
      onStale: (): void => counters.staleTag(),
      ...(options.timing && { timing: options.timing }),
      ...(options.tagRules && { tagRules: options.tagRules }),
    };
    this.#own = { resolver: new ImageResolver({ ...rules, ...content, ...own }), exchange: content.exchange, origin: () => own.origin() };
    this.#openMirror = ({ origin, tagMemory, isExcluded }) => {
      const exchange = new MirrorExchange(content.exchange, origin);
      return {
        resolver: new ImageResolver({ ...rules, ...content, exchange, origin: () => origin, tagMemory, isExcluded }),
        exchange,
        origin: () => origin,
      };
    };
    const { namespaces } = this;
    const { embedded } = options;
    this.#uploads =
      embedded === undefined
        ? undefined
        : new UploadSessions({
            folder: embedded.uploadsFolder,
            now,
            ...(embedded.makeRoom === undefined ? {} : { makeRoom: embedded.makeRoom }),
          });
    const pushRoutes =
      embedded === undefined || this.#uploads === undefined
        ? readOnlyRoutes()
        : embeddedPushRoutes({ origin: embedded.origin, uploads: this.#uploads, namespaces });
    const { deadlineMs = DEADLINE_MS, hostNames = [], maxConnections, ...listening } = server;
    this.#endpoint = new HttpEndpoint({
      ...listening,
      hostNames,
      maxConnections,
      routes: [
        ...pullRoutes({
          ...content,
          namespaces,
          upstreamOf: (repository) => this.upstreamOf(repository),
          held: this.#held,
          observer: counters,
          lazyRanges: options.lazyRanges ?? false,
          deadlineMs,
        }),
        ...pushRoutes,
      ],
      log: options.log,
      observer: counters,
    });
  }

  /** What answers for a repository, for clients and for whoever prefetches without one. */
  upstreamOf({ full }: Repository): Upstream {
    const name = full.slice(0, full.indexOf('/'));
    const mirror = this.#mirrors().find((candidate) => candidate.name === name);
    if (mirror === undefined) return this.#own;
    const upstream = this.#upstreams.get(mirror) ?? this.#openMirror(mirror);
    this.#upstreams.set(mirror, upstream);
    return upstream;
  }

  /** `http://host:port`, after `start`. */
  get url(): string {
    return this.#endpoint.url;
  }

  /** What clients take up now. */
  get use(): { readonly connections: number; readonly uploads: number } {
    return { connections: this.#endpoint.connections, uploads: this.#uploads?.count ?? 0 };
  }

  /** @throws LayerswarmError `port-taken`, `config-invalid`, `store-unwritable` */
  async start(): Promise<void> {
    await this.#uploads?.start();
    await this.#endpoint.start();
  }

  async stop(graceMs?: number): Promise<void> {
    await this.#endpoint.stop(graceMs);
    this.#held.close();
    await this.#uploads?.stop();
  }
}
