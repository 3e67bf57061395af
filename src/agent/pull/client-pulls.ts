import { BoundedMap } from '../../bounded-map.ts';
import type { Digest } from '../../oci/digest.ts';
import { linkedDescriptors, parseManifest } from '../../oci/manifest.ts';
import type { ClientName } from '../../registry/client-name.ts';
import type { PullObserver } from '../../registry/pull/pull-context.ts';
import type { Receipt } from '../../status/receipt-document.ts';
import type { BlobStore } from '../../store/blob-store.ts';
import type { ImageStore } from '../../store/images/image-store.ts';
import type { BlobExchange, TransferStatus } from '../../swarm/swarm.ts';
import { type AskedBlob, type ClientPull, type PullFailure, receiptOfFailure, receiptOfPull } from './client-pull.ts';
import { pullId, StateClock } from './receipt.ts';

/** Clients ask for all layers within moments of the manifest; when none came for this long and all are here, the pull is over. */
const QUIET_MS = 3000;
/** Clients ask again after a failure, dockerd up to 25 s later. */
const FAILED_QUIET_MS = 30_000;
/** A client that was cut off comes back, or not. */
const ABANDONED_MS = 30 * 60_000;
const LOOK_MS = 500;
const MAX_PULLS = 200;
const MAX_NAMES = 2000;
/** Requests of one pull follow each other: an id that was given for a manifest is not that of a pull minutes later. */
const ID_MS = 60_000;

/** `reference`: the tag that a manifest was asked for by, itself or the index that names it; undefined while only its digest was said. */
interface Name {
  readonly reference: string | undefined;
  readonly id: string;
  readonly at: number;
}

export interface ClientPullsOptions {
  readonly images: Pick<ImageStore, 'manifest'>;
  readonly store: Pick<BlobStore, 'size' | 'onChange'>;
  readonly exchange: Pick<BlobExchange, 'transfers'>;
  readonly keep: (receipt: Receipt) => void;
  readonly now: () => number;
}

/**
 * Receipts of what container runtimes pull through the registry endpoint. They say neither when a pull begins nor when it ends: it
 * is taken to last from the manifest to the last of the blobs that the client then asked for.
 */
export class ClientPulls implements PullObserver, Disposable {
  readonly #options: ClientPullsOptions;
  readonly #pulls = new Map<string, ClientPull>();
  readonly #failures = new Map<string, PullFailure>();
  /** `repository@digest` to the reference that it was asked for by, and the pull's id: runtimes resolve a tag first and then ask by digest. */
  readonly #names = new BoundedMap<string, Name>(MAX_NAMES);
  readonly #unsubscribe: () => void;
  /** What was told, in its order: a manifest is read before the blobs that were asked for after it are counted. */
  #told: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ClientPullsOptions) {
    this.#options = options;
    this.#unsubscribe = options.store.onChange(({ kind, digest }) => {
      if (kind === 'added') this.#arrived(digest.toString());
    });
  }

  manifestServed({ repository, reference, digest, isHead, client }: Parameters<PullObserver['manifestServed']>[0]): string {
    const key = `${repository}@${digest.toString()}`;
    const name: Name = {
      reference: reference.includes(':') ? this.#names.get(key)?.reference : `${repository}:${reference}`,
      id: this.#idFor(key),
      at: this.#options.now(),
    };
    this.#names.set(key, name);
    this.#failures.delete(`${repository} ${reference}`);
    // A manifest that is damaged or gone by now makes no receipt.
    if (!isHead) this.#told = this.#told.then(() => this.#begin(repository, digest, client)).catch(() => undefined);
    return name.id;
  }

  manifestFailed({ repository, reference, client, error }: Parameters<PullObserver['manifestFailed']>[0]): void {
    const now = this.#options.now();
    const key = `${repository} ${reference}`;
    const before = this.#failures.get(key);
    if (before === undefined && this.#failures.size >= MAX_PULLS) return;
    this.#failures.set(key, {
      id: before?.id ?? pullId(),
      client,
      reference: `${repository}${reference.includes(':') ? '@' : ':'}${reference}`,
      startedAt: before?.startedAt ?? now,
      error,
      lastAt: now,
    });
    this.#watch();
  }

  /** What passes through leaves nothing here that a receipt could tell of. */
  blobServed({ repository, digest, size, source }: Parameters<PullObserver['blobServed']>[0]): string | undefined {
    if (source !== 'origin') this.#told = this.#told.then(() => this.#asked(repository, digest, size, source === 'store'));
    return this.pullOf(repository, digest);
  }

  pullOf(repository: string, digest: Digest): string | undefined {
    return this.#of(repository, digest.toString())?.id;
  }

  blobFailed({ repository, digest, error }: Parameters<PullObserver['blobFailed']>[0]): void {
    this.#told = this.#told.then(() => this.#failed(repository, digest, error));
  }

  /** Resolves when all that was told so far is counted. */
  settled(): Promise<void> {
    return this.#told;
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
    clearInterval(this.#timer);
  }

  /** Ends the pulls that are over; called by a timer while there are any. */
  look(): void {
    const now = this.#options.now();
    const transfers = new Map(this.#options.exchange.transfers().map((transfer) => [transfer.digest.toString(), transfer]));
    for (const [key, pull] of this.#pulls) {
      sample(pull, transfers, now);
      if (!this.#isOver(pull, transfers, now)) continue;
      this.#pulls.delete(key);
      this.#names.delete(key);
      if (pull.asked.size > 0) this.#options.keep(receiptOfPull(pull, transfers));
    }
    for (const [key, failure] of this.#failures) {
      if (now - failure.lastAt < FAILED_QUIET_MS) continue;
      this.#failures.delete(key);
      this.#options.keep(receiptOfFailure(failure));
    }
    if (this.#pulls.size + this.#failures.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #isOver({ asked, lastAskedAt }: ClientPull, transfers: ReadonlyMap<string, TransferStatus>, now: number): boolean {
    const quietMs = now - lastAskedAt;
    if (quietMs < QUIET_MS) return false;
    const coming = [...asked].filter(([, { kind }]) => kind === 'coming');
    if (coming.length === 0 || quietMs >= ABANDONED_MS) return true;
    // Nothing brings them any more: the client left, or was refused.
    return quietMs >= FAILED_QUIET_MS && coming.every(([digest]) => !isRunning(transfers.get(digest)));
  }

  async #begin(repository: string, digest: Digest, client: ClientName): Promise<void> {
    const { images, now } = this.#options;
    const key = `${repository}@${digest.toString()}`;
    const startedAt = now();
    const name = this.#names.get(key);
    const raw = await images.manifest(repository, digest);
    if (raw === undefined || name === undefined || this.#pulls.has(key) || this.#pulls.size >= MAX_PULLS) return;
    const manifest = parseManifest(raw.bytes, raw.mediaType);
    const { blobs, children } = linkedDescriptors(manifest);
    // The child that the client asks for next is called by the name of the index.
    for (const { digest: child } of children) {
      const childKey = `${repository}@${child.toString()}`;
      this.#names.set(childKey, { ...name, id: this.#names.get(childKey)?.id ?? name.id });
    }
    if (manifest.kind === 'index') return;
    this.#pulls.set(key, {
      id: name.id,
      client,
      reference: name.reference ?? key,
      digest: digest.toString(),
      repository,
      startedAt,
      blobs: new Set(blobs.map((blob) => blob.digest.toString())),
      asked: new Map(),
      clocks: new Map(),
      firstByteAt: undefined,
      lastAskedAt: startedAt,
    });
    this.#watch();
  }

  #asked(repository: string, digest: Digest, size: number, fromStore: boolean): void {
    const { now, store } = this.#options;
    const key = digest.toString();
    for (const pull of this.#pulls.values()) {
      if (pull.repository !== repository || !pull.blobs.has(key)) continue;
      pull.lastAskedAt = now();
      const before = pull.asked.get(key);
      if (before !== undefined && (before.kind !== 'coming' || before.error === undefined)) continue;
      // The first blob may be brought before the manifest is answered: then this pull fetched it, although it is here by now.
      const isOld =
        fromStore &&
        !this.#options.exchange.transfers().some((transfer) => transfer.digest.equals(digest) && transfer.startedAt >= pull.startedAt);
      if (fromStore) pull.firstByteAt ??= now();
      const coming: AskedBlob =
        store.size(digest) === undefined ? { kind: 'coming', digest, size } : { kind: 'arrived', digest, size, at: now() };
      pull.asked.set(key, isOld ? { kind: 'stored', size } : coming);
    }
  }

  #failed(repository: string, digest: Digest, error: string): void {
    const pull = this.#of(repository, digest.toString());
    if (pull === undefined) return;
    pull.lastAskedAt = this.#options.now();
    const before = pull.asked.get(digest.toString());
    if (before === undefined || before.kind === 'coming')
      pull.asked.set(digest.toString(), { kind: 'coming', digest, size: before?.size ?? 0, error });
  }

  #arrived(key: string): void {
    for (const pull of this.#pulls.values()) {
      const blob = pull.asked.get(key);
      if (blob?.kind !== 'coming') continue;
      const at = this.#options.now();
      pull.firstByteAt ??= at;
      pull.asked.set(key, { kind: 'arrived', digest: blob.digest, size: blob.size, at });
    }
  }

  #of(repository: string, blob: string): ClientPull | undefined {
    return [...this.#pulls.values()].find((pull) => pull.repository === repository && pull.blobs.has(blob));
  }

  #idFor(key: string): string {
    const name = this.#names.get(key);
    return this.#pulls.get(key)?.id ?? (name !== undefined && this.#options.now() - name.at < ID_MS ? name.id : pullId());
  }

  #watch(): void {
    this.#timer ??= setInterval(() => this.look(), LOOK_MS);
  }
}

function isRunning(transfer: TransferStatus | undefined): boolean {
  return transfer !== undefined && transfer.state !== 'done' && transfer.state !== 'failed';
}

/** Looks how far the blobs are that the client waits for. */
function sample(pull: ClientPull, transfers: ReadonlyMap<string, TransferStatus>, now: number): void {
  for (const [digest, { kind }] of pull.asked) {
    const transfer = transfers.get(digest);
    if (kind !== 'coming' || transfer === undefined) continue;
    if (transfer.haveBytes > 0) pull.firstByteAt ??= now;
    const clock = pull.clocks.get(digest) ?? new StateClock();
    pull.clocks.set(digest, clock);
    clock.look(transfer.state, now);
  }
}
