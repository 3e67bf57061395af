import type { VerifyProgress, VerifyReport } from '../../control/keep-operation.ts';
import { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { MAX_MANIFEST_BYTES, rawManifest } from '../../oci/manifest.ts';
import type { DamagedBlob } from '../../store/blobs/disk-blob-store.ts';
import type { Store } from '../../store/store.ts';
import { BlobPull } from '../pull/blob-pull.ts';
import type { ContainerdContent } from './containerd-content.ts';
import type { UpstreamOf } from '../pull/puller.ts';

/** Without a byte of progress for this long a blob is given up: nobody has it. */
const STALL_MS = 60_000;

export interface RepairParts {
  readonly store: Store;
  readonly upstreamOf: UpstreamOf;
  /** Of a full name. */
  readonly isExcluded: (repository: string) => boolean;
  /** What containerd on this host holds is read again as well. */
  readonly containerd: Pick<ContainerdContent, 'list' | 'check'> | undefined;
  /** This node is the origin itself: what it lost only members can have. */
  readonly embedded: boolean;
}

export interface VerifyRun extends MendRun {
  readonly dryRun: boolean;
  readonly repair: boolean;
  readonly onProgress: (progress: VerifyProgress) => void;
  /** Waited for after each blob, with the milliseconds that it took. */
  readonly rest?: (tookMs: number) => Promise<void>;
}

/** Where a blob belongs, noted before its row goes with it. */
interface Links {
  readonly repositories: readonly string[];
  /** The manifest of these repositories, rather than a blob. */
  readonly isManifest: boolean;
}

/** Reads every byte in the store again, and fetches what was wrong anew, from members or the origin. */
export async function verifyAndRepair(parts: RepairParts, run: VerifyRun): Promise<VerifyReport> {
  const { store } = parts;
  const inContainerd = [...(parts.containerd?.list() ?? [])];
  const totalBytes = store.stats().bytes + inContainerd.reduce((sum, { size }) => sum + size, 0);
  const corrupt: string[] = [];
  const repaired: string[] = [];
  const unrepaired: { digest: string; reason: string }[] = [];
  let blobs = 0;
  let bytes = 0;
  const listed = Array.from(store.blobs.list(), ({ digest }) => digest);
  for (const digest of listed) {
    const startedAt = performance.now();
    const links = linksOf(parts, digest);
    for await (const result of store.verify({ digests: [digest], dryRun: run.dryRun, signal: run.signal })) {
      blobs++;
      bytes += result.size;
      if (result.state !== 'ok') {
        corrupt.push(digest.toString());
        const reason = run.dryRun || !run.repair ? 'it was only looked at' : await repair(parts, run, result, links);
        if (reason === undefined) repaired.push(digest.toString());
        else unrepaired.push({ digest: digest.toString(), reason });
      }
      run.onProgress({ blobs, bytes, totalBytes });
    }
    await run.rest?.(performance.now() - startedAt);
  }
  for (const { digest, size } of inContainerd) {
    run.signal.throwIfAborted();
    const { state, path } = await parts.containerd!.check(digest);
    if (state === 'missing') continue;
    blobs++;
    bytes += size;
    if (state === 'corrupt') {
      corrupt.push(digest.toString());
      unrepaired.push({
        digest: digest.toString(),
        reason: `containerd's file ${path} is wrong, and no longer given to anybody: remove the image there and pull it again`,
      });
    }
    run.onProgress({ blobs, bytes, totalBytes });
  }
  return { blobs, bytes, corrupt, repaired, unrepaired };
}

export interface MendRun {
  readonly signal: AbortSignal;
}

/** Fetches a blob anew that turned out to be damaged as it was read, once the copy is put aside. Why it could not be; undefined when it was. */
export async function mendDamaged(parts: RepairParts, broken: DamagedBlob, gone: Promise<void>, run: MendRun): Promise<string | undefined> {
  const links = linksOf(parts, broken.digest);
  await gone;
  return await repair(parts, run, broken, links);
}

function linksOf({ store: { images } }: RepairParts, digest: Digest): Links {
  return { repositories: images.repositoriesOf(digest), isManifest: images.isManifest(digest) };
}

/** Why it could not be repaired; undefined when it was. */
async function repair(parts: RepairParts, run: MendRun, broken: DamagedBlob, links: Links): Promise<string | undefined> {
  const { store } = parts;
  const { digest, origin } = broken;
  if (links.repositories.length === 0) return 'no image names it, so it is not needed';
  try {
    for (const full of links.isManifest ? links.repositories : links.repositories.slice(0, 1))
      await fetchAgain(parts, run, broken, { full, name: nameOf(full) }, links.isManifest);
    for (const full of links.repositories) if (!store.images.isLinked(full, digest)) store.images.link(full, digest);
    if (origin) store.holdAsOrigin(digest);
    return undefined;
  } catch (error) {
    run.signal.throwIfAborted();
    return error instanceof Error ? error.message : String(error);
  }
}

async function fetchAgain(
  { store, upstreamOf, isExcluded, embedded }: RepairParts,
  run: MendRun,
  { digest, size }: DamagedBlob,
  repository: { name: string; full: string },
  isManifest: boolean,
): Promise<void> {
  const { resolver, exchange } = upstreamOf(repository);
  const stalled = new AbortController();
  const signal = AbortSignal.any([run.signal, stalled.signal]);
  if (isManifest && !embedded) {
    await resolver.manifest(repository, digest.toString(), signal);
    return;
  }
  const pull = new BlobPull({ digest, size, mediaType: 'application/octet-stream' }, store.blobs);
  let last = -1;
  let since = performance.now();
  const watch = setInterval(() => {
    const { haveBytes } = pull.progress();
    if (haveBytes !== last) since = performance.now();
    else if (performance.now() - since > STALL_MS)
      stalled.abort(new LayerswarmError('unavailable', 'nobody gave it: no member holds it, or none answers'));
    last = haveBytes;
  }, 1000);
  try {
    await pull.run(
      exchange,
      { repository: repository.name, shared: !isExcluded(repository.full), ...(embedded ? { sources: 'peers' } : {}) },
      signal,
    );
  } finally {
    clearInterval(watch);
  }
  if (isManifest) await store.images.putManifest(repository.full, rawManifest(await readWhole(store, digest), { expected: digest }).raw);
}

async function readWhole(store: Store, digest: Digest): Promise<Buffer> {
  const reader = await store.blobs.open(digest);
  try {
    return await reader.read(0, Math.min(reader.size, MAX_MANIFEST_BYTES));
  } finally {
    await reader.close();
  }
}

/** `team/app` of `registry.example/team/app`. */
function nameOf(full: string): string {
  return full.slice(full.indexOf('/') + 1);
}
