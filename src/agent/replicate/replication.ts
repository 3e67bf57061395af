import { join } from 'node:path';
import type { ReplicatedTag, ReplicateRunRequest, ReplicateRunResult } from '../../control/replicate-operation.ts';
import { RegistryImage } from '../../copy/registry-image.ts';
import { LayerswarmError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Origin } from '../../origin/origin.ts';
import { registryNameOf } from '../../origin/registry-name.ts';
import { findWork, type FoundTag, type KnownContent, missedEvents } from '../../replicate/find-work.ts';
import { matchesRepository, matchesTag, type ReplicationConfig, type Route, routesOf } from '../../replicate/policy.ts';
import { ReplicationQueue } from '../../replicate/queue.ts';
import type { PeerNames } from '../peer-names.ts';
import { Replicator } from '../../replicate/replicator.ts';
import { onSchedule } from '../../replicate/schedule.ts';
import type { ReplicationStatus } from '../../status/status-document.ts';
import type { ImageStore } from '../../store/images/image-store.ts';
import type { PeerNetwork } from '../../swarm/network/network.ts';
import type { BlobExchange } from '../../swarm/swarm.ts';
import { ReplicationMembers } from './replication-members.ts';
import { checkRunRequest, planReplication, runReplication } from './replication-run.ts';
import { replicationStatus } from './replication-status.ts';
import { ReplicationTargets } from './replication-targets.ts';

/** For members to say whether they have a blob. */
const FIND_TIMEOUT_MS = 1_000;

export interface ReplicationParts {
  readonly config: ReplicationConfig;
  readonly data: string;
  readonly network: PeerNetwork;
  readonly peers: PeerNames;
  readonly images: ImageStore;
  readonly exchange: BlobExchange;
  readonly origin: () => Origin | undefined;
  readonly isExcluded: (repository: string) => boolean;
  readonly log: Logger;
}

/** Carries images to other registries, as configured. Without a configuration it does nothing. */
export class Replication implements AsyncDisposable {
  readonly #parts: ReplicationParts;
  readonly #routes: readonly Route[];
  readonly #targets: ReplicationTargets;
  readonly #running = new AsyncDisposableStack();
  readonly #queue: ReplicationQueue;
  readonly #replicator: Replicator;

  /** @throws `config-invalid`, `store-format` */
  constructor(parts: ReplicationParts) {
    const { config, data, network, peers, images, log } = parts;
    this.#parts = parts;
    this.#routes = routesOf(config);
    this.#targets = new ReplicationTargets(config.targets);
    this.#queue = this.#running.adopt(new ReplicationQueue(join(data, 'replication.sqlite'), Date.now), (queue) => queue.close());
    this.#queue.keepOnly(this.#routes.map(({ policy, target }) => ({ policy: policy.name, target: target.name })));
    const members = this.#running.adopt(
      new ReplicationMembers(
        network,
        peers,
        this.#routes.map(({ fingerprint }) => fingerprint),
        (job) => this.#replicator.accept(job),
      ),
      (opened) => opened.close(),
    );
    this.#replicator = new Replicator({
      routes: this.#routes,
      queue: this.#queue,
      carriers: members,
      target: (name) => this.#targets.target(name),
      source: (repository, tag) =>
        new RegistryImage({
          registry: this.#origin(),
          repository,
          reference: tag,
          blob: (blob, signal) => this.#blob(repository, blob, signal),
        }),
      repositoriesOf: (blob) => this.#ownNames(images.repositoriesOf(blob)),
      onCopied: ({ policy, target }, repository, tag, digest, sentBytes) =>
        log.info('copied', {
          policy: policy.name,
          target: target.name,
          image: `${repository}:${tag}`,
          digest: digest.toString(),
          sentBytes,
        }),
      onFailed: ({ policy, target }, repository, tag, error, again) =>
        log.warn(again ? 'a copy failed and is tried again' : 'a copy failed', {
          policy: policy.name,
          target: target.name,
          image: `${repository}:${tag}`,
          reason: error.message,
        }),
      random: Math.random,
    });
  }

  start(): void {
    const { images, log } = this.#parts;
    if (this.#routes.length === 0) return;
    this.#replicator.start();
    this.#running.defer(() => this.#replicator.stop());
    this.#running.defer(
      images.onTag(({ repository, tag, digest }) => {
        const [name] = this.#ownNames([repository]);
        if (name !== undefined) this.#replicator.tagSeen(name, tag, digest);
      }),
    );
    for (const { route, repository, tag, digest } of missedEvents(this.#routes, this.#known()))
      this.#replicator.put(route, repository, tag, digest);
    const policies = new Map(this.#routes.map(({ policy }) => [policy.name, policy]));
    for (const { name, schedule } of policies.values()) {
      if (schedule === undefined) continue;
      this.#running.use(
        onSchedule(schedule, async (signal) => {
          try {
            for await (const { route, repository, tag } of this.#find({ policy: name }, signal))
              this.#replicator.put(route, repository, tag, undefined, true);
          } catch (error) {
            if (!signal.aborted)
              log.warn('a scheduled replication could not list the origin', {
                policy: name,
                reason: error instanceof Error ? error.message : String(error),
              });
          }
        }),
      );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running.disposeAsync();
    await this.#targets.close();
  }

  status(): ReplicationStatus {
    return replicationStatus(this.#routes, this.#queue, this.#targets, Date.now());
  }

  /** Whether a policy goes by events and wants this tag. */
  wants(repository: string, tag: string): boolean {
    return this.#routes.some(({ policy }) => policy.onEvent && matchesRepository(policy, repository) && matchesTag(policy, tag));
  }

  /** Brings everything that policies want up to date, and tells the outcome of each first try. @throws `usage`, `origin-…` */
  async run(request: ReplicateRunRequest, signal: AbortSignal, onProgress: (tag: ReplicatedTag) => void): Promise<ReplicateRunResult> {
    checkRunRequest(this.#routes, request);
    const found = this.#find(request, signal);
    return request.dryRun === true
      ? { dryRun: true, tags: [], plan: await planReplication(this.#replicator, found, signal) }
      : { dryRun: false, tags: await runReplication(this.#replicator, this.#queue, found, signal, onProgress), plan: [] };
  }

  #find(request: Pick<ReplicateRunRequest, 'policy' | 'target'>, signal: AbortSignal): AsyncGenerator<FoundTag, void, undefined> {
    const routes = this.#routes.filter(
      ({ policy, target }) => (request.policy ?? policy.name) === policy.name && (request.target ?? target.name) === target.name,
    );
    return findWork(routes, this.#origin(), this.#known(), signal);
  }

  /**
   * From here or from members, where they have it; else straight through from the origin, so that what nobody here needs neither
   * waits to be whole nor takes the place of what is needed. Its digest is checked on the way.
   */
  async *#blob(repository: string, { digest, size }: Descriptor, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    const { exchange, isExcluded } = this.#parts;
    const shared = !isExcluded(repository);
    // members are not asked about what is not shared with them
    if (shared && !(await exchange.findable(digest, AbortSignal.timeout(FIND_TIMEOUT_MS)))) {
      yield* this.#origin().readBlob(repository, digest, { start: 0, end: size }, signal);
      return;
    }
    const fetch = exchange.fetch({ digest, size, repository, shared });
    try {
      yield* fetch.read(0, size, signal ?? new AbortController().signal);
    } finally {
      fetch.release();
    }
  }

  #known(): KnownContent {
    const { images } = this.#parts;
    const full = (repository: string): string => `${registryNameOf(this.#origin().url)}/${repository}`;
    return {
      repositories: () => (this.#parts.origin() === undefined ? [] : this.#ownNames(images.repositories())),
      tags: (repository) => images.tags(full(repository)),
      digest: (repository, tag) => images.tag(full(repository), tag)?.digest,
    };
  }

  /** Names at the origin, of those that are its. */
  #ownNames(full: readonly string[]): string[] {
    const origin = this.#parts.origin();
    if (origin === undefined) return [];
    const prefix = `${registryNameOf(origin.url)}/`;
    return full.flatMap((name) => (name.startsWith(prefix) ? [name.slice(prefix.length)] : []));
  }

  #origin(): Origin {
    const origin = this.#parts.origin();
    if (origin === undefined)
      throw new LayerswarmError(
        'origin-unknown',
        'this node does not know its origin yet: give it one with --origin, or wait until it has met a member that knows it',
      );
    return origin;
  }
}
