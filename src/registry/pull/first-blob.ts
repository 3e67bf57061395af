import type { AnyManifest } from '../../oci/manifest.ts';
import { isStoreRefusal } from '../../store/store-error.ts';
import type { Repository } from '../namespace.ts';
import type { Upstream } from '../upstream.ts';
import { untilCertain } from './first-byte.ts';
import { passedOn, passThrough } from './pass-through.ts';
import type { PullContext } from './pull-context.ts';

/** Configurations are smaller; an artifact may call anything its configuration. */
const MAX_BYTES = 1024 * 1024;
/**
 * Begins to bring the configuration of an image here before its manifest is given out. skopeo and podman stay with the host whose manifest
 * they took, so a registry that gives its blobs to nobody must be found out before; and clients ask for this blob next. A source
 * that is slow is none that refuses: after `patienceMs` the manifest is given out all the same.
 * @throws as `untilCertain`
 */
export async function bringFirstBlob(
  context: PullContext,
  upstream: Upstream,
  repository: Repository,
  manifest: AnyManifest,
  patienceMs: number,
  signal: AbortSignal,
): Promise<void> {
  if (manifest.kind !== 'image' || manifest.config.size > MAX_BYTES || context.store.size(manifest.config.digest) !== undefined) return;
  const { digest, size } = manifest.config;
  const fetch = upstream.exchange.fetch({
    digest,
    size,
    repository: repository.name,
    shared: !upstream.resolver.isExcluded(repository.name),
  });
  try {
    await untilCertain(fetch, patienceMs, signal);
  } catch (error) {
    if (!isStoreRefusal(error)) throw error;
    context.observer.storeRefused(error, size);
    const whole = passThrough(passedOn({ upstream, repository, digest }, size), context.held, { start: 0, end: size }, signal);
    for await (const chunk of whole) void chunk; // read for its digest alone
  } finally {
    fetch.release();
  }
}
