import { removeAgentFile } from '../control/agent-file.ts';
import { type Logger, rewritten } from '../log.ts';
import type { EmbeddedOrigin } from '../origin/embedded.ts';
import { registryNameOf } from '../origin/registry-name.ts';
import type { StoreOptions } from '../store/store.ts';
import { Bandwidth } from '../swarm/lane/pace/bandwidth.ts';
import { Libp2pNetwork } from '../swarm/network/libp2p-network.ts';
import { serveOrigin } from '../swarm/origin-service.ts';
import type { OriginDirectory } from '../swarm/origin-directory.ts';
import type { Say } from '../swarm/swarm.ts';
import { TagMemory } from '../swarm/tag-memory.ts';
import { BulkThreads } from '../swarm/thread/bulk-threads.ts';
import { version } from '../version.ts';
import { openAgentStore, type AgentStore } from './agent-store.ts';
import { FollowedCharter } from './charter/followed-charter.ts';
import { MirrorSet } from './charter/mirror-set.ts';
import { SwarmRules } from './charter/swarm-rules.ts';
import type { AgentConfig } from './config/config.ts';
import { ExcludedRepositories } from './config/excluded-repositories.ts';
import { CurrentOrigin } from './origins/current-origin.ts';
import { knownOrigin } from './origins/known-origin.ts';
import { mirroredRegistry } from './origins/mirrored-registries.ts';
import { OriginClients, openOrigin } from './origins/origin-clients.ts';
import { OriginLabel } from './origins/origin-label.ts';
import { OwnOrigin } from './origins/own-origin.ts';
import { PeerNames } from './peer-names.ts';
import type { StopSteps } from './stop-steps.ts';
import { loadSwarmKeys } from './swarm-keys.ts';

/** What all else of an agent stands on: what it keeps, the members, the registries, and the blobs between them. */
export interface AgentCore extends Pick<AgentStore, 'own' | 'store' | 'containerd'> {
  /** Calls an embedded origin what people call it. */
  readonly log: Logger;
  /** Of the swarm keys, the first one first. */
  readonly keyIds: readonly string[];
  readonly rules: SwarmRules;
  readonly excluded: ExcludedRepositories;
  readonly network: Libp2pNetwork;
  readonly peers: PeerNames;
  readonly clients: OriginClients;
  readonly directory: OriginDirectory;
  readonly origins: CurrentOrigin;
  readonly ownOrigin: OwnOrigin;
  /** Where this node is the origin itself. */
  readonly embedded: EmbeddedOrigin | undefined;
  readonly tags: TagMemory;
  readonly exchange: BulkThreads;
  readonly mirrors: MirrorSet;
  readonly charter: FollowedCharter | undefined;
}

export interface AgentCoreOptions {
  /** Takes what is opened, and closes it last first. */
  readonly parts: AsyncDisposableStack;
  readonly steps: StopSteps;
  readonly onDamaged: NonNullable<StoreOptions['onDamaged']>;
}

/**
 * Opens the store, the bulk port, and what is between members, who hear of this node once `network.start()` is called.
 * @throws `config-invalid`, `key-invalid`, `store-locked`, `store-format`, `store-unwritable`, `disk-full`, `port-taken`
 */
export async function openAgentCore(
  config: AgentConfig,
  plainLog: Logger,
  { parts, steps, onDamaged }: AgentCoreOptions,
): Promise<AgentCore> {
  let label: OriginLabel | undefined = undefined;
  const log = rewritten(plainLog, (text) => label?.shown(text) ?? text);
  const keys = await loadSwarmKeys(config.swarmKey, log);
  const bandwidth = new Bandwidth(config.limits);

  // What is kept. The store's lock makes this the only agent of the folder, so what a dead one left there may go.
  const { own, store, containerd } = steps.use(parts, 'the store', await openAgentStore(config, log, onDamaged));
  await removeAgentFile(config.data);
  const rules = new SwarmRules(config);
  const excluded = new ExcludedRepositories(rules.exclude, store.images);

  // The members
  const network = await Libp2pNetwork.create({
    dataDir: config.data,
    listen: config.listen,
    announce: config.announce,
    bootstrap: config.bootstrap,
    swarmKeys: keys,
    open: config.open,
    mdns: config.mdns,
    zone: config.zone,
    name: config.name,
    maxNeighbours: config.limits.members,
    bulkThreads: config.limits.bulkThreads,
    agent: `layerswarm/${version}`,
    onWarning: (line) => log.for('network').warn(line),
  });
  parts.defer(steps.named('the network', () => network.stop()));
  const peers = parts.use(new PeerNames(network));

  // The origin: this node itself, the one that is configured, or the one that members name
  const clients = new OriginClients(config, network, bandwidth, (...args) => exchange.readMember(...args));
  parts.defer(steps.named('clients of the origin', () => clients.close()));
  const { embedded, configured, directory } = await knownOrigin(config, { network, store, clients }, log.for('origin'));
  label = new OriginLabel(directory);
  const origins = new CurrentOrigin({ directory, configured, open: ({ url }) => openOrigin(url, rules, clients), log: log.for('origin') });
  parts.defer(steps.named('the origin', () => origins.close()));
  const ownOrigin = new OwnOrigin(origins, label, rules, excluded);
  if (embedded !== undefined) serveOrigin(network, embedded, ownOrigin.isExcluded);
  const tags = new TagMemory(
    network,
    (url, repository, tag) => {
      const full = `${registryNameOf(url)}/${repository}`;
      return excluded.has(full) ? undefined : store.images.tag(full, tag);
    },
    { witnesses: () => rules.tags.witnesses, membersWithin: (ms) => network.membersWithin(ms) },
  );

  // Blobs between the members: on the threads that their bytes stay on, with the bulk port
  const exchange: BulkThreads = await BulkThreads.start({
    network,
    origin: ownOrigin.origin,
    bandwidth,
    streams: network.streams,
    recordedHosts: (peerId) => network.recordedHosts(peerId),
    blobs: store.blobs,
    mayShare: (blob) => excluded.mayShare(blob),
    peerKey: network.peerKey,
    zone: config.zone,
    emit: config.emit,
    listen: config.bulk,
    say: config.log.level === 'debug' ? sayOf(log.for('swarm'), peers) : undefined,
    onLanes: (uses) => {
      network.showLanes(uses);
    },
    onFailure: (error) => {
      log
        .for('swarm')
        .error('a bulk thread ended by itself and is started again; its transfers have failed', {
          reason: error.cause instanceof Error ? error.cause.message : error.message,
        });
    },
  });
  parts.defer(steps.named('blobs', () => exchange.close()));

  // Registries beside the origin, and what the operator says of all of them
  const mirrors = new MirrorSet(
    (upstream) => mirroredRegistry(upstream, { open: (opened) => clients.mirror(opened), tags, excluded }),
    (error) => log.for('origin').warn('the client of a former mirror did not close', { reason: String(error) }),
  );
  mirrors.set(rules.upstreams);
  parts.defer(steps.named('mirrors', () => mirrors.close()));
  const charter =
    config.charterKey === undefined
      ? undefined
      : await FollowedCharter.open({
          network,
          data: config.data,
          key: config.charterKey,
          rules,
          log: log.for('charter'),
          onRules: (isOtherCa) => {
            mirrors.set(rules.upstreams);
            excluded.set(rules.exclude);
            const before = origins.get();
            directory.setCharter(rules.charter.origin);
            if (isOtherCa && origins.get() === before) origins.reopen();
          },
        });
  parts.defer(steps.named('the charter', () => charter?.close()));

  const keyIds = keys.map(({ id }) => id);
  return {
    log,
    keyIds,
    own,
    store,
    containerd,
    rules,
    excluded,
    network,
    peers,
    clients,
    directory,
    origins,
    ownOrigin,
    embedded,
    tags,
    exchange,
    mirrors,
    charter,
  };
}

/** Decisions of transfers, a line each, with the names of the nodes that they are about. */
function sayOf(log: Logger, peers: PeerNames): Say {
  return (message, { peer, ...fields }) =>
    log.debug(message, { ...fields, node: peer === undefined ? undefined : peers.called(String(peer)) });
}
