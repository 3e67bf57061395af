import { join } from 'node:path';
import { PushProxy } from '../registry/push-proxy/push-proxy.ts';
import { Registry } from '../registry/registry.ts';
import type { AgentCore } from './agent-core.ts';
import type { AgentConfig } from './config/config.ts';
import type { RegistryTally } from './origins/registry-tally.ts';
import type { TagHints } from './origins/tag-hints.ts';

/** The endpoint that container runtimes pull from, and push to where this node is the origin. */
export function makeRegistry(config: AgentConfig, core: AgentCore, tally: RegistryTally): Registry {
  const { store, exchange, embedded } = core;
  const { origin, registryName, repositoryPrefix, isExcluded, aliases, shown } = core.ownOrigin;
  return new Registry({
    server: { listen: config.registry, hostNames: config.hostNames, maxConnections: config.limits.clients },
    content: { store: store.blobs, images: store.images, exchange },
    own: {
      origin,
      registryName,
      repositoryPrefix,
      isExcluded,
      aliases,
      shown,
      tagMemory: async (repository, tag, signal) => {
        const now = origin();
        return now === undefined ? undefined : await core.tags.ask(now.url, repository, tag, { signal });
      },
    },
    mirrors: () => core.mirrors.list(),
    ...(embedded === undefined
      ? {}
      : { embedded: { origin: embedded, uploadsFolder: join(config.data, 'uploads'), makeRoom: (bytes) => core.own.makeRoom(bytes) } }),
    log: core.log.for('registry'),
    counters: tally,
    lazyRanges: config.emit === 'vouched',
    tagRules: () => core.rules.tags,
    timing: { accessTtl: config.access.ttl, accessMaxStale: config.access.staleFor },
  });
}

/** The endpoint whose pushes go to the origin and are announced; undefined where the configuration has none. */
export function makePushProxy(
  config: AgentConfig,
  core: AgentCore,
  { registry, tally, hints }: { readonly registry: Registry; readonly tally: RegistryTally; readonly hints: TagHints },
): PushProxy | undefined {
  if (config.push === undefined) return undefined;
  return new PushProxy({
    listen: config.push,
    hostNames: config.hostNames,
    upstream: () => core.clients.upstream(core.ownOrigin.origin()),
    namespaces: registry.namespaces,
    store: core.store.blobs,
    images: core.store.images,
    isExcluded: core.ownOrigin.isExcluded,
    uploadsFolder: join(config.data, 'push-uploads'),
    makeRoom: (bytes) => core.own.makeRoom(bytes),
    onTag: (repository, tag) => hints.announceStored(repository, tag),
    log: core.log.for('push'),
    observer: tally,
  });
}
