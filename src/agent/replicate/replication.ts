import { join } from 'node:path';
import { onAbort } from '../../async/abort.ts';
import type { PlannedTag, ReplicatedTag, ReplicateRunRequest, ReplicateRunResult } from '../../control/replicate-operation.ts';
import { CopyTarget } from '../../copy/copy-target.ts';
import { RegistryImage } from '../../copy/registry-image.ts';
import { LayerswarmError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { ByteRate, newRate } from '../../origin/budget.ts';
import { systemClock } from '../../origin/clock.ts';
import { passwordFileCredentials } from '../../origin/credentials.ts';
import type { Origin } from '../../origin/origin.ts';
import { registryNameOf } from '../../origin/registry-name.ts';
import { RegistryOrigin } from '../../origin/registry-origin.ts';
import { findWork, type FoundTag, type KnownContent, missedEvents } from '../../replicate/find-work.ts';
import { matchesRepository, matchesTag, type ReplicationConfig, type Route, routesOf, type TargetConfig } from '../../replicate/policy.ts';
import { ReplicationQueue, type Job } from '../../replicate/queue.ts';
import type { PeerNames } from '../peer-names.ts';
import { type Outcome, Replicator } from '../../replicate/replicator.ts';
import { onSchedule } from '../../replicate/schedule.ts';
import type { ReplicationStatus } from '../../status/status-document.ts';
import type { ImageStore } from '../../store/images/image-store.ts';
import type { PeerNetwork } from '../../swarm/network/network.ts';
import type { BlobExchange } from '../../swarm/swarm.ts';
import { ReplicationMembers } from './replication-members.ts';

/** Of a request, before the job as a whole waits: the queue is what bears longer outages. */
const TRIES = 6;
/** For members to say whether they have a blob. */
const FIND_TIMEOUT_MS = 1_000;
const MAX_TROUBLED = 20;

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
  readonly #registries = new Map<string, RegistryOrigin>();
  readonly #targets = new Map<string, CopyTarget>();
  readonly #running = new AsyncDisposableStack();
  readonly #queue: ReplicationQueue;
  readonly #replicator: Replicator;

  /** @throws `config-invalid`, `store-format` */
  constructor(parts: ReplicationParts) {
    const { config, data, network, peers, images, log } = parts;
    this.#parts = parts;
    this.#routes = routesOf(config);
    for (const target of config.targets) this.#addTarget(target);
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
      target: (name) => this.#targets.get(name)!,
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
    await Promise.all([...this.#registries.values()].map((registry) => registry.close()));
  }

  status(): ReplicationStatus {
    const now = Date.now();
    const iso = (at: number | undefined): string | null => (at === undefined ? null : new Date(at).toISOString());
    return {
      policies: [...new Set(this.#routes.map(({ policy }) => policy.name))],
      targets: [...this.#registries].map(([name, registry]) => {
        const { oldestAt, lastCopyAt, lastError, ...totals } = this.#queue.totals(name);
        return {
          name,
          url: registry.url,
          ...totals,
          lagSeconds: oldestAt === undefined ? 0 : Math.max(0, Math.round((now - oldestAt) / 1000)),
          lastCopyAt: iso(lastCopyAt),
          lastError: lastError?.message ?? null,
          lastErrorAt: iso(lastError?.at),
        };
      }),
      troubled: this.#queue
        .troubled(MAX_TROUBLED)
        .map(({ policy, target, repository, tag, state, attempts, error, nextAt }) => ({
          policy,
          target,
          repository,
          tag,
          failed: state === 'failed',
          attempts,
          error: error ?? '',
          nextAt: state === 'failed' ? null : iso(nextAt),
        })),
    };
  }

  /** Whether a policy goes by events and wants this tag. */
  wants(repository: string, tag: string): boolean {
    return this.#routes.some(({ policy }) => policy.onEvent && matchesRepository(policy, repository) && matchesTag(policy, tag));
  }

  /** Brings everything that policies want up to date, and tells the outcome of each first try. @throws `usage`, `origin-…` */
  async run(request: ReplicateRunRequest, signal: AbortSignal, onProgress: (tag: ReplicatedTag) => void): Promise<ReplicateRunResult> {
    this.#checkRequest(request);
    if (request.dryRun === true) return { dryRun: true, tags: [], plan: await this.#plan(request, signal) };
    const outcomes = new Map<string, ReplicatedTag>();
    const open = new Set<string>();
    const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
    ended.catch(() => undefined); // awaited below; a run that is given up while it looks for work ends there
    let listed = false;
    const check = (): void => {
      if (listed && open.size === 0) resolve();
    };
    const unsubscribe = this.#replicator.onOutcome((job, outcome) => {
      if (!open.has(keyOf(job)) || outcome.kind === 'waiting') return;
      // a try that had begun before this run says nothing of it: the job has been put in anew and comes again
      const left = this.#queue.find(job);
      if (left !== undefined && left.attempts === 0 && (left.state === 'waiting' || left.state === 'running')) return;
      this.#settle(job, outcome, outcomes, onProgress);
      open.delete(keyOf(job));
      check();
    });
    using _ = onAbort(signal, () => {
      reject(signal.reason as Error);
    });
    try {
      for await (const { route, repository, tag } of this.#find(request, signal)) {
        const key = { policy: route.policy.name, target: route.target.name, repository, tag };
        open.add(keyOf(key));
        this.#replicator.put(route, repository, tag, undefined, true);
      }
      listed = true;
      check();
      await ended;
      return { dryRun: false, tags: [...outcomes.values()], plan: [] };
    } finally {
      unsubscribe();
    }
  }

  #settle(
    job: Pick<Job, 'policy' | 'target' | 'repository' | 'tag'>,
    outcome: Exclude<Outcome, { kind: 'waiting' }>,
    outcomes: Map<string, ReplicatedTag>,
    onProgress: (tag: ReplicatedTag) => void,
  ): void {
    const { policy, target, repository, tag } = job;
    const line: ReplicatedTag = {
      policy,
      target,
      repository,
      tag,
      state: outcome.kind,
      copied: outcome.kind === 'done' && outcome.copied,
      error: outcome.kind === 'failed' ? outcome.error.message : null,
    };
    outcomes.set(keyOf(job), line);
    onProgress(line);
  }

  async #plan(request: ReplicateRunRequest, signal: AbortSignal): Promise<PlannedTag[]> {
    const planned: PlannedTag[] = [];
    for await (const { route, repository, tag } of this.#find(request, signal)) {
      const base = { policy: route.policy.name, target: route.target.name, repository, tag };
      try {
        const { digest, plan } = await this.#replicator.plan(route, repository, tag, signal);
        planned.push({
          ...base,
          digest: digest.toString(),
          change: plan.tag.kind,
          from: 'from' in plan.tag ? plan.tag.from.toString() : null,
          manifests: plan.manifests.length,
          blobs: plan.blobs.length,
          bytes: plan.blobs.reduce((sum, { size }) => sum + size, 0),
          error: null,
        });
      } catch (error) {
        if (signal.aborted || !(error instanceof LayerswarmError)) throw error;
        planned.push({ ...base, digest: null, change: 'none', from: null, manifests: 0, blobs: 0, bytes: 0, error: error.message });
      }
    }
    return planned;
  }

  #find(request: Pick<ReplicateRunRequest, 'policy' | 'target'>, signal: AbortSignal): AsyncGenerator<FoundTag, void, undefined> {
    const routes = this.#routes.filter(
      ({ policy, target }) => (request.policy ?? policy.name) === policy.name && (request.target ?? target.name) === target.name,
    );
    return findWork(routes, this.#origin(), this.#known(), signal);
  }

  #checkRequest({ policy, target }: ReplicateRunRequest): void {
    if (this.#routes.length === 0)
      throw new LayerswarmError(
        'usage',
        'no replication is configured: say which images go where under "replication" in the configuration file',
      );
    const unknown =
      policy !== undefined && !this.#routes.some((route) => route.policy.name === policy)
        ? `policy ${JSON.stringify(policy)}`
        : target !== undefined && !this.#routes.some((route) => route.target.name === target)
          ? `target ${JSON.stringify(target)}`
          : undefined;
    if (unknown !== undefined) throw new LayerswarmError('usage', `the configuration has no ${unknown}`);
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

  #addTarget({ name, url, username, passwordFile, ca, bandwidth, connections }: TargetConfig): void {
    const credentials = username === undefined || passwordFile === undefined ? undefined : passwordFileCredentials(username, passwordFile);
    const registry = new RegistryOrigin({
      url,
      credentials,
      caFile: ca,
      maxConnections: connections,
      retry: { attempts: TRIES },
      failFast: false,
    });
    this.#registries.set(name, registry);
    this.#targets.set(
      name,
      new CopyTarget({
        reader: registry,
        writer: registry.writer,
        rate: bandwidth === 0 ? undefined : new ByteRate(newRate(bandwidth), systemClock),
      }),
    );
  }
}

function keyOf({ policy, target, repository, tag }: Pick<Job, 'policy' | 'target' | 'repository' | 'tag'>): string {
  return [policy, target, repository, tag].join('\n');
}
