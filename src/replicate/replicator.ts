import { collectImage } from '../copy/collect-image.ts';
import { copyImage, type CopyReport } from '../copy/copy-image.ts';
import type { CopyTarget } from '../copy/copy-target.ts';
import type { ImageSource } from '../copy/image-source.ts';
import { planCopy } from '../copy/plan-copy.ts';
import { errorCode, LayerswarmError } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import type { RawManifest } from '../oci/manifest.ts';
import { onlyPlatforms } from './platform-filter.ts';
import { matchesRepository, matchesTag, type Route, targetRepository } from './policy.ts';
import type { Job, ReplicationQueue } from './queue.ts';
import { isPermanent, pauseAfter } from './retry.ts';

/** Copies to one target at a time; each sends several blobs at once. */
const COPIES_A_TARGET = 2;
/** Milliseconds. */
const ASK_AGAIN = 2_000;
const LONGEST_SLEEP = 60_000;

/** The members that have the same route: of them one carries a repository, and the others see to it that it does. */
export interface Carriers {
  /** Peer id of who carries; undefined for this node itself. */
  carrier(fingerprint: string, repository: string): string | undefined;
  /** How people know that member. */
  called(peerId: string): string;
  /** Hands a job over, or asks how it is. @throws when the member does not answer */
  ask(peerId: string, job: HandedOver, signal: AbortSignal): Promise<JobAnswer>;
}

export interface HandedOver {
  readonly fingerprint: string;
  readonly repository: string;
  readonly tag: string;
  readonly digest: Digest | undefined;
}

export interface JobAnswer {
  readonly state: 'waiting' | 'done' | 'failed';
  readonly error?: string | undefined;
}

export interface ReplicatorOptions {
  readonly routes: readonly Route[];
  readonly queue: ReplicationQueue;
  readonly target: (name: string) => CopyTarget;
  /** The image as the swarm's origin has it now. @throws `origin-unknown` */
  readonly source: (repository: string, tag: string) => ImageSource;
  /** Other repositories of the origin that hold a blob: where the target may have it too. */
  readonly repositoriesOf: (blob: Digest) => readonly string[];
  readonly carriers: Carriers;
  readonly onCopied: (route: Route, repository: string, tag: string, digest: Digest, sentBytes: number) => void;
  readonly onFailed: (route: Route, repository: string, tag: string, error: LayerswarmError, again: boolean) => void;
  readonly random: () => number;
}

export type Outcome =
  /** `copied`: by this node, and something was missing there. */
  | { readonly kind: 'done'; readonly copied: boolean }
  | { readonly kind: 'waiting' }
  | { readonly kind: 'failed'; readonly error: LayerswarmError };

interface Opened {
  readonly source: ImageSource;
  /** What the tag means at the origin. */
  readonly digest: Digest;
  /** What is copied of it. */
  readonly root: RawManifest;
}

/** Works the queue off: one loop a target, so that one that is down holds up no other. */
export class Replicator {
  readonly #options: ReplicatorOptions;
  readonly #stopping = new AbortController();
  readonly #wake = new Map<string, () => void>();
  readonly #watchers = new Set<(job: Job, outcome: Outcome) => void>();
  readonly #loops: Promise<void>[] = [];

  constructor(options: ReplicatorOptions) {
    this.#options = options;
  }

  start(): void {
    const targets = new Set(this.#options.routes.map(({ target }) => target.name));
    for (const target of targets)
      for (let copy = 0; copy < COPIES_A_TARGET; copy++) this.#loops.push(this.#loop(target, `${target} ${copy}`));
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new LayerswarmError('aborted', 'the agent is stopping'));
    for (const wake of this.#wake.values()) wake();
    await Promise.all(this.#loops);
  }

  /** The origin has a tag, maybe anew: puts it in for every route that wants it. */
  tagSeen(repository: string, tag: string, digest: Digest | undefined): void {
    for (const route of this.#options.routes) {
      if (route.policy.onEvent && matchesRepository(route.policy, repository) && matchesTag(route.policy, tag))
        this.put(route, repository, tag, digest);
    }
  }

  /** @param again also what was copied with this digest before */
  put(route: Route, repository: string, tag: string, digest: Digest | undefined, again = false): boolean {
    const isWork = this.#options.queue.enqueue({ policy: route.policy.name, target: route.target.name, repository, tag }, digest, {
      again,
    });
    if (isWork) this.#wakeUp(route.target.name);
    return isWork;
  }

  /** Another member hands a job over, or asks how it is. @throws `not-found` when this node has no such route */
  accept({ fingerprint, repository, tag, digest }: HandedOver): JobAnswer {
    const route = this.#options.routes.find(
      (candidate) =>
        candidate.fingerprint === fingerprint && matchesRepository(candidate.policy, repository) && matchesTag(candidate.policy, tag),
    );
    if (route === undefined) throw new LayerswarmError('not-found', 'this node has no such replication policy');
    const key = { policy: route.policy.name, target: route.target.name, repository, tag };
    const known = this.#options.queue.find(key);
    const isSame = known !== undefined && (digest === undefined || known.digest?.equals(digest) === true);
    if (isSame && known.state === 'done') return { state: 'done' };
    if (isSame && known.state === 'failed') return { state: 'failed', error: known.error };
    if (!isSame) this.put(route, repository, tag, digest);
    return { state: 'waiting' };
  }

  /** Told the outcome of every try. Returns the unsubscribe function. */
  onOutcome(watcher: (job: Job, outcome: Outcome) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** What a copy would do now. Changes nothing. */
  async plan(
    route: Route,
    repository: string,
    tag: string,
    signal: AbortSignal,
  ): Promise<{ digest: Digest; plan: Awaited<ReturnType<typeof planCopy>> }> {
    const { source, root } = await this.#open(route, repository, tag, signal);
    try {
      const image = await collectImage(source, root, signal);
      const plan = await planCopy(
        image,
        this.#options.target(route.target.name),
        { repository: targetRepository(route.policy, repository), tag, conflict: route.policy.conflict },
        signal,
      );
      return { digest: root.digest, plan };
    } finally {
      await source.close();
    }
  }

  #wakeUp(target: string): void {
    for (const [name, wake] of this.#wake) if (name.startsWith(`${target} `)) wake();
  }

  async #loop(target: string, name: string): Promise<void> {
    const { queue } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const job = queue.take(target);
      if (job === undefined) await this.#sleep(name, Math.min(LONGEST_SLEEP, queue.dueIn(target) ?? LONGEST_SLEEP));
      else await this.#work(job, signal);
    }
  }

  async #sleep(name: string, ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, Math.max(10, ms));
    this.#wake.set(name, resolve);
    if (this.#stopping.signal.aborted) resolve();
    await promise;
    clearTimeout(timer);
    this.#wake.delete(name);
  }

  async #work(job: Job, signal: AbortSignal): Promise<void> {
    const { queue, routes } = this.#options;
    const route = routes.find(({ policy, target }) => policy.name === job.policy && target.name === job.target);
    if (route === undefined) {
      queue.drop(job);
      return;
    }
    try {
      this.#tell(job, (await this.#handOver(route, job, signal)) ?? (await this.#copy(route, job, signal)));
    } catch (error) {
      // the job runs still, as far as the file says: it is taken up again at the next start
      if (signal.aborted) return;
      this.#tell(job, this.#failed(route, job, error));
    }
  }

  /** Undefined when the job is this node's own to do. */
  async #handOver({ fingerprint }: Route, job: Job, signal: AbortSignal): Promise<Outcome | undefined> {
    const { carriers, queue } = this.#options;
    const carrier = carriers.carrier(fingerprint, job.repository);
    if (carrier === undefined) return undefined;
    let answer: JobAnswer;
    try {
      answer = await carriers.ask(carrier, { fingerprint, repository: job.repository, tag: job.tag, digest: job.digest }, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      // it left, or is about to: the next look finds another one, maybe this node
      queue.postpone(job, ASK_AGAIN);
      return { kind: 'waiting' };
    }
    if (answer.state === 'waiting') queue.postpone(job, ASK_AGAIN);
    else if (answer.state === 'done') queue.finish(job, job.digest, false);
    else queue.fail(job, { message: `the member ${carriers.called(carrier)}: ${answer.error ?? 'it failed'}`, code: 'unavailable' });
    if (answer.state === 'failed') return { kind: 'failed', error: new LayerswarmError('unavailable', answer.error ?? 'it failed') };
    return answer.state === 'done' ? { kind: 'done', copied: false } : { kind: 'waiting' };
  }

  async #copy(route: Route, job: Job, signal: AbortSignal): Promise<Outcome> {
    const { queue, target, repositoriesOf, onCopied } = this.#options;
    const { policy } = route;
    const repository = targetRepository(policy, job.repository);
    let opened: Opened;
    try {
      opened = await this.#open(route, job.repository, job.tag, signal);
    } catch (error) {
      if (errorCode(error) !== 'not-found') throw error;
      queue.drop(job);
      return { kind: 'done', copied: false };
    }
    const { source, root, digest } = opened;
    try {
      const report = await copyImage(source, target(route.target.name), {
        repository,
        tag: job.tag,
        root,
        conflict: policy.conflict,
        attachments: policy.attachments,
        signal,
        onProgress: ({ blob, state }) => {
          if (state === 'uploaded') queue.sent(job.target, blob.size);
        },
        mountFrom: (blob) =>
          repositoriesOf(blob)
            .filter((name) => matchesRepository(policy, name))
            .map((name) => targetRepository(policy, name)),
      });
      const copied = hasChanged(report);
      queue.finish(job, digest, copied);
      if (copied) onCopied(route, job.repository, job.tag, digest, report.uploaded.bytes);
      return { kind: 'done', copied };
    } finally {
      await source.close();
    }
  }

  async #open(route: Route, repository: string, tag: string, signal: AbortSignal): Promise<Opened> {
    const source = this.#options.source(repository, tag);
    const whole = await source.root(signal);
    return { source, digest: whole.digest, root: await onlyPlatforms(source, whole, route.policy.platforms, signal) };
  }

  #failed(route: Route, job: Job, thrown: unknown): Outcome {
    const { queue, random, onFailed } = this.#options;
    const code = errorCode(thrown);
    const error =
      thrown instanceof LayerswarmError
        ? thrown
        : new LayerswarmError(code, thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown });
    const failure = { message: error.message, code };
    if (isPermanent(code)) queue.fail(job, failure);
    else queue.postpone(job, pauseAfter(job.attempts + 1, random()), failure);
    onFailed(route, job.repository, job.tag, error, !isPermanent(code));
    return { kind: 'failed', error };
  }

  #tell(job: Job, outcome: Outcome): void {
    for (const watcher of this.#watchers) watcher(job, outcome);
  }
}

/** What the target has now it did not have before. */
function hasChanged({ tag, manifests, uploaded, mounted, attachments }: CopyReport): boolean {
  return tag === 'new' || tag === 'move' || manifests + uploaded.blobs + mounted.blobs + attachments > 0;
}
