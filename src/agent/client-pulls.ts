import type { Digest } from '../oci/digest.ts';
import { linkedDescriptors, parseManifest } from '../oci/manifest.ts';
import type { PullObserver } from '../registry/pull/pull-context.ts';
import type { ReceiptBlob } from '../status/status-document.ts';
import type { BlobStore } from '../store/blob-store.ts';
import type { ImageStore } from '../store/image-store.ts';
import type { BlobExchange } from '../swarm/swarm.ts';
import { sumUp, type ReceiptRing } from './receipt-ring.ts';

/** Clients ask for all layers within moments of the manifest; when none came for this long and all are here, the pull is over. */
const QUIET_MS = 3000;
/** A client that was cut off comes back, or not: then there is nothing to tell. */
const ABANDONED_MS = 30 * 60_000;
const LOOK_MS = 1000;
const MAX_PULLS = 200;
const MAX_NAMES = 2000;

type AskedBlob =
  | { readonly kind: 'stored'; readonly size: number }
  | { readonly kind: 'coming'; readonly digest: Digest; readonly size: number }
  | { readonly kind: 'arrived'; readonly digest: Digest; readonly size: number; readonly at: number };

interface Pull {
  readonly reference: string;
  readonly digest: string;
  readonly repository: string;
  readonly startedAt: number;
  /** What the manifest names. */
  readonly blobs: ReadonlySet<string>;
  /** What the client asked for of them. */
  readonly asked: Map<string, AskedBlob>;
  lastAskedAt: number;
}

export interface ClientPullsOptions {
  readonly images: Pick<ImageStore, 'manifest'>;
  readonly store: Pick<BlobStore, 'size' | 'onChange'>;
  readonly exchange: Pick<BlobExchange, 'transfers'>;
  readonly receipts: ReceiptRing;
  readonly now: () => number;
}

/**
 * Receipts of what container runtimes pull through the registry endpoint. They say neither when a pull begins nor when it ends: it
 * is taken to last from the manifest to the last of the blobs that the client then asked for.
 */
export class ClientPulls implements PullObserver, Disposable {
  readonly #options: ClientPullsOptions;
  readonly #pulls = new Map<string, Pull>();
  /** `repository@digest` to the reference that it was asked for by: runtimes resolve a tag first and then ask by digest. */
  readonly #names = new Map<string, string>();
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

  manifestServed({ repository, reference, digest, isHead }: { repository: string; reference: string; digest: Digest; isHead: boolean }): void {
    // A manifest that is damaged or gone by now makes no receipt.
    this.#told = this.#told.then(() => this.#begin(repository, reference, digest, isHead)).catch(() => undefined);
  }

  /** What passes through leaves nothing here that a receipt could tell of. */
  blobServed({ repository, digest, size, source }: Parameters<PullObserver['blobServed']>[0]): void {
    if (source === 'origin') return;
    this.#told = this.#told.then(() => this.#asked(repository, digest, size, source === 'store'));
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
    for (const [key, pull] of this.#pulls) {
      const asked = [...pull.asked.values()];
      const quiet = now - pull.lastAskedAt >= QUIET_MS;
      if (quiet && asked.length > 0 && asked.every(({ kind }) => kind !== 'coming')) {
        this.#pulls.delete(key);
        this.#finish(pull);
      } else if (now - pull.lastAskedAt >= ABANDONED_MS || (quiet && asked.length === 0)) {
        this.#pulls.delete(key);
      }
    }
    if (this.#pulls.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #begin(repository: string, reference: string, digest: Digest, isHead: boolean): Promise<void> {
    const { images, now } = this.#options;
    const key = `${repository}@${digest.toString()}`;
    const name = reference.includes(':') ? this.#names.get(key) ?? key : `${repository}:${reference}`;
    this.#remember(key, name);
    if (isHead) return;
    const startedAt = now();
    const raw = await images.manifest(repository, digest);
    if (raw === undefined || this.#pulls.has(key) || this.#pulls.size >= MAX_PULLS) return;
    const manifest = parseManifest(raw.bytes, raw.mediaType);
    const { blobs, children } = linkedDescriptors(manifest);
    // The child that the client asks for next is called by the name of the index.
    for (const child of children) this.#remember(`${repository}@${child.digest.toString()}`, name);
    if (manifest.kind === 'index') return;
    this.#pulls.set(key, { reference: name, digest: digest.toString(), repository, startedAt, blobs: new Set(blobs.map((blob) => blob.digest.toString())), asked: new Map(), lastAskedAt: startedAt });
    this.#timer ??= setInterval(() => this.look(), LOOK_MS);
  }

  #asked(repository: string, digest: Digest, size: number, fromStore: boolean): void {
    const { now, store } = this.#options;
    const key = digest.toString();
    for (const pull of this.#pulls.values()) {
      if (pull.repository !== repository || !pull.blobs.has(key)) continue;
      pull.lastAskedAt = now();
      if (pull.asked.has(key)) continue;
      const coming: AskedBlob = store.size(digest) === undefined ? { kind: 'coming', digest, size } : { kind: 'arrived', digest, size, at: now() };
      pull.asked.set(key, fromStore ? { kind: 'stored', size } : coming);
    }
  }

  #arrived(key: string): void {
    for (const { asked } of this.#pulls.values()) {
      const blob = asked.get(key);
      if (blob?.kind === 'coming') asked.set(key, { kind: 'arrived', digest: blob.digest, size: blob.size, at: this.#options.now() });
    }
  }

  #finish(pull: Pull): void {
    const transfers = new Map(this.#options.exchange.transfers().map((transfer) => [transfer.digest.toString(), transfer]));
    const blobs = [...pull.asked].map(([digest, blob]): ReceiptBlob => {
      const transfer = blob.kind === 'arrived' ? transfers.get(digest) : undefined;
      return {
        digest,
        bytes: blob.size,
        source: blob.kind === 'stored' ? 'store' : 'swarm',
        fromOriginBytes: transfer?.fromOriginBytes ?? 0,
        fromPeersBytes: [...transfer?.fromPeers.values() ?? []].reduce((sum, bytes) => sum + bytes, 0),
        peers: Object.fromEntries(transfer?.fromPeers ?? []),
        seconds: blob.kind === 'arrived' ? Math.max(0, blob.at - Math.max(pull.startedAt, transfer?.startedAt ?? 0)) / 1000 : 0,
        stalls: transfer?.stalls ?? 0,
        retries: transfer?.retries ?? 0,
      };
    });
    const endedAt = Math.max(pull.startedAt, ...[...pull.asked.values()].flatMap((blob) => (blob.kind === 'arrived' ? [blob.at] : [])));
    const seconds = (endedAt - pull.startedAt) / 1000;
    this.#options.receipts.add({
      ...sumUp(blobs),
      reference: pull.reference,
      digest: pull.digest,
      finishedAt: new Date(endedAt).toISOString(),
      seconds,
      verified: true,
      stale: false,
      phases: [{ name: 'blobs', seconds }],
      blobs,
    });
  }

  #remember(key: string, name: string): void {
    if (this.#names.size >= MAX_NAMES) this.#names.clear();
    this.#names.set(key, name);
  }
}
