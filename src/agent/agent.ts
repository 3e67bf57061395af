import { join } from 'node:path';
import { ControlServer, type Handlers } from '../control/control-server.ts';
import { removeAgentFile, writeAgentFile, type AgentFile } from '../control/agent-file.ts';
import { controlSocketPath } from '../control/socket-path.ts';
import { type Logger, rewritten } from '../log.ts';
import type { Origin } from '../origin/origin.ts';
import { registryNameOf, repositoryPrefixOf } from '../origin/registry-name.ts';
import { PushProxy } from '../registry/push-proxy/push-proxy.ts';
import { CLIENTS } from '../registry/client-name.ts';
import { MALFORMED_REQUESTS } from '../registry/http/refuse-connection.ts';
import { Registry } from '../registry/registry.ts';
import { Metrics } from '../status/metrics.ts';
import { StatusServer } from '../status/status-server.ts';
import { RESERVE_BYTES } from '../store/store.ts';
import { Bandwidth } from '../swarm/lane/pace/bandwidth.ts';
import { Libp2pNetwork } from '../swarm/network/libp2p-network.ts';
import { serveOrigin } from '../swarm/origin-service.ts';
import type { Say } from '../swarm/swarm.ts';
import { BulkThreads } from '../swarm/thread/bulk-threads.ts';
import { TagMemory } from '../swarm/tag-memory.ts';
import { version } from '../version.ts';
import { openAgentStore } from './agent-store.ts';
import { ClientPulls } from './pull/client-pulls.ts';
import { charterHandlers } from './charter/charter-handlers.ts';
import { FollowedCharter } from './charter/followed-charter.ts';
import { MirrorSet } from './charter/mirror-set.ts';
import { SwarmRules } from './charter/swarm-rules.ts';
import type { AgentConfig } from './config/config.ts';
import { CurrentOrigin } from './origins/current-origin.ts';
import { ExcludedRepositories } from './config/excluded-repositories.ts';
import { DiskWatch } from './health/disk-watch.ts';
import { RuntimeWatch } from './health/runtime-watch.ts';
import { ImageList } from './view/image-list.ts';
import { makeKeeping, type Keeping } from './keep/keeping.ts';
import { limitsOf } from './view/limits.ts';
import { mirroredRegistry } from './origins/mirrored-registries.ts';
import { NodeView } from './view/node-view.ts';
import { controlHandlers } from './operations.ts';
import { OriginClients, openOrigin } from './origins/origin-clients.ts';
import { knownOrigin } from './origins/known-origin.ts';
import { OriginLabel } from './origins/origin-label.ts';
import { Puller } from './pull/puller.ts';
import { PeerNames } from './peer-names.ts';
import { PullRecorder } from './pull/pull-recorder.ts';
import { ReceiptBook } from './pull/receipt-book.ts';
import { RegistryTally } from './origins/registry-tally.ts';
import { Replication } from './replicate/replication.ts';
import { seedHandler } from './seed/seed-operation.ts';
import { makeSeeding } from './seed/seeding.ts';
import { every, LOOK_MS, ORIGIN_PROBE_MS, STORE_LOOK_MS } from './schedule.ts';
import { StoreHealth } from './health/store-health.ts';
import { JobBoard } from './swarm-view/job-board.ts';
import { makeSwarmView } from './swarm-view/swarm-view.ts';
import { TagHints } from './origins/tag-hints.ts';
import { stopAll } from './stop-all.ts';
import { StopSteps } from './stop-steps.ts';
import { loadSwarmKeys } from './swarm-keys.ts';
import { keepWatchdogQuiet, notifySystemd } from './systemd.ts';

export interface Agent {
  /** How to reach it: what `DIR/agent.json` says. */
  readonly file: AgentFile;
  /** Stops everything, what was started last first. */
  stop(): Promise<void>;
  /** What is being stopped, and what was before it, with the time that it took. */
  stopping(): string;
}

/**
 * Builds a node and starts it: the one place where the parts are made and joined. When something fails, what was built is closed
 * again. @throws `config-invalid`, `key-invalid`, `store-locked`, `store-format`, `store-unwritable`, `disk-full`, `port-taken`
 */
export async function startAgent(config: AgentConfig, plainLog: Logger, strayErrors: () => number = () => 0): Promise<Agent> {
  await using parts = new AsyncDisposableStack();
  const steps = new StopSteps();
  const uid = process.getuid?.() ?? 0;
  let label: OriginLabel | undefined = undefined;
  const log = rewritten(plainLog, (text) => label?.shown(text) ?? text);

  const keys = await loadSwarmKeys(config.swarmKey, log);
  const bandwidth = new Bandwidth(config.limits);

  // What is kept. The store's lock makes this the only agent of the folder, so what a dead one left there may go.
  let onDamaged: Keeping['damaged'] = () => undefined;
  const { own, store, containerd } = steps.use(
    parts,
    'the store',
    await openAgentStore(config, log, (...damage) => {
      onDamaged(...damage);
    }),
  );
  await removeAgentFile(config.data);
  const rules = new SwarmRules(config);
  const excluded = new ExcludedRepositories(rules.exclude, store.images);

  // The members
  const keyIds = keys.map(({ id }) => id);
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
  // of the origin's repositories, by their name there
  const isExcluded = (repository: string): boolean => excluded.has(`${registryName() ?? ''}/${repository}`);
  const { embedded, configured, directory } = await knownOrigin(config, { network, store, clients }, log.for('origin'));
  if (embedded !== undefined) serveOrigin(network, embedded, isExcluded);
  label = new OriginLabel(directory);
  const { shown } = label;
  /** Registries that the origin answers for, what it is called itself among them. */
  const aliases = (): readonly string[] => [...(label.registry === undefined ? [] : [label.registry]), ...rules.aliases];
  const origins = new CurrentOrigin({ directory, configured, open: ({ url }) => openOrigin(url, rules, clients), log: log.for('origin') });
  parts.defer(steps.named('the origin', () => origins.close()));
  const origin = (): Origin | undefined => origins.get();
  const registryName = (): string | undefined => (origin() === undefined ? undefined : registryNameOf(origin()!.url));
  const repositoryPrefix = (): string => (origin() === undefined ? '' : repositoryPrefixOf(origin()!.url));
  const tags = new TagMemory(
    network,
    (url, repository, tag) => {
      const full = `${registryNameOf(url)}/${repository}`;
      return excluded.has(full) ? undefined : store.images.tag(full, tag);
    },
    { witnesses: () => rules.tags.witnesses },
  );

  // Blobs between the members: on the threads that their bytes stay on, with the bulk port
  const exchange: BulkThreads = await BulkThreads.start({
    network,
    origin,
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

  const mirrors = new MirrorSet(
    (upstream) => mirroredRegistry(upstream, { open: (opened) => clients.mirror(opened), tags, excluded }),
    (error) => log.for('origin').warn('the client of a former mirror did not close', { reason: String(error) }),
  );
  mirrors.set(rules.upstreams);
  parts.defer(steps.named('mirrors', () => mirrors.close()));
  const kept = steps.together(parts);
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
  kept.defer('the charter', () => charter?.close());

  // What people and monitoring see
  const receipts = await ReceiptBook.open({ data: config.data, onWarning: (line) => log.for('pull').warn(line) });
  kept.defer('receipts', () => receipts.close());
  const recorder = new PullRecorder({ book: receipts, peers, onPull: (receipt) => metrics.pulled(receipt), log: log.for('pull') });
  const clientPulls = parts.use(
    new ClientPulls({ images: store.images, store: store.blobs, exchange, keep: recorder.keep, now: Date.now }),
  );
  const runtimes = new RuntimeWatch(join(config.data, 'setup'));
  const storeHealth = new StoreHealth(own, log.for('store'));
  const tally = new RegistryTally(clientPulls, storeHealth, (client) => runtimes.asked(client));
  const images = new ImageList(store.images, store.blobs);
  const working = steps.together(parts);
  const replication = working.use(
    'replication',
    new Replication({
      config: config.replication,
      data: config.data,
      network,
      peers,
      images: store.images,
      exchange,
      origin,
      isExcluded,
      log: log.for('replication'),
    }),
  );
  const disk = new DiskWatch(config.data, RESERVE_BYTES);
  const view = new NodeView({
    config,
    rules,
    charter,
    network,
    peers,
    origins,
    embedded: embedded !== undefined,
    shown,
    store,
    storeHealth,
    containerd,
    exchange,
    images,
    receipts,
    tally,
    mirrors: () => mirrors.list(),
    excluded,
    replication,
    keyIds,
    disk,
    runtimes,
    log: log.for('health'),
    strayErrors,
    limits: () => limitsOf({ config, network, exchange, store, registry: registry.use, status: status?.connections }),
  });
  const jobs = new JobBoard(Date.now);
  const swarmView = await makeSwarmView({
    data: config.data,
    network,
    exchange,
    status: () => view.status(),
    receipts: () => view.receipts(),
    isExcluded: (full) => excluded.has(full),
    jobs,
    log: log.for('status'),
    // a transfer has the repository's name without its registry, which may be any of those that are read
    mayShare: ({ digest, repository }) =>
      excluded.mayShare(digest) &&
      ![registryName(), ...mirrors.list().map(({ name }) => name)].some((registry) => excluded.has(`${registry ?? ''}/${repository}`)),
  });
  working.use('the view of the swarm', swarmView);
  const metrics = new Metrics(() => view.status(), { clients: CLIENTS, refusals: MALFORMED_REQUESTS });
  tally.connect(metrics);

  // What container runtimes talk to
  const registry = new Registry({
    server: { listen: config.registry, hostNames: config.hostNames, maxConnections: config.limits.clients },
    content: { store: store.blobs, images: store.images, exchange },
    own: {
      origin,
      registryName,
      repositoryPrefix,
      isExcluded,
      aliases,
      shown,
      tagMemory: async (repository, tag, signal) =>
        origin() === undefined ? undefined : tags.ask(origin()!.url, repository, tag, { signal }),
    },
    mirrors: () => mirrors.list(),
    ...(embedded === undefined
      ? {}
      : { embedded: { origin: embedded, uploadsFolder: join(config.data, 'uploads'), makeRoom: (bytes) => own.makeRoom(bytes) } }),
    log: log.for('registry'),
    counters: tally,
    lazyRanges: config.emit === 'vouched',
    tagRules: () => rules.tags,
    timing: { accessTtl: config.access.ttl, accessMaxStale: config.access.staleFor },
  });
  const hints = new TagHints({
    network,
    images: store.images,
    origin,
    isExcluded,
    wants: (repository, tag) => replication.wants(repository, tag),
    log: log.for('tags'),
  });
  // every tag of an embedded origin that is new or moves was pushed here
  if (embedded !== undefined) parts.defer(store.images.onTag(({ repository, tag }) => hints.announceStored(repository, tag)));
  const push =
    config.push === undefined
      ? undefined
      : new PushProxy({
          listen: config.push,
          hostNames: config.hostNames,
          upstream: () => clients.upstream(origin()),
          namespaces: registry.namespaces,
          store: store.blobs,
          images: store.images,
          isExcluded,
          uploadsFolder: join(config.data, 'push-uploads'),
          makeRoom: (bytes) => own.makeRoom(bytes),
          onTag: (repository, tag) => hints.announceStored(repository, tag),
          log: log.for('push'),
          observer: tally,
        });
  const puller = new Puller({
    upstreamOf: (image) => registry.upstreamOf(image),
    store: store.blobs,
    isExcluded: (full) => excluded.has(full),
  });

  // What operators put in
  const endpoint = (): string => new URL(registry.url).host;
  const seeding = await makeSeeding({ data: config.data, store, exchange, origin, mirrors: aliases, endpoint, log: log.for('seed') });
  // Its folder goes when the operations that write there have ended.
  kept.use('seeding', seeding);

  // What is preheated and kept
  const names = {
    registryName,
    repositoryPrefix,
    mirrors: aliases,
    shown,
    upstreams: () => mirrors.list().map(({ name }) => name),
    endpoint,
  };
  const keeping = await makeKeeping({
    config,
    network,
    peers,
    store,
    puller,
    upstreamOf: (image) => registry.upstreamOf(image),
    names,
    keep: recorder.keep,
    isExcluded: (full) => excluded.has(full),
    embedded: embedded !== undefined,
    containerd,
    closeIdle: () => exchange.closeIdle(),
    log: log.for('keep'),
  });
  working.use('keeping', keeping);
  onDamaged = (...damage) => {
    keeping.damaged(...damage);
  };

  const status =
    config.status === undefined
      ? undefined
      : new StatusServer({
          listen: config.status,
          hostNames: config.hostNames,
          source: view,
          swarm: swarmView.watch,
          metrics: () => metrics.scrape(),
          shown,
          onError: (error) => log.for('status').error('an answer failed', { reason: String(error) }),
        });
  const control = new ControlServer({
    path: controlSocketPath(config.data, { configured: config.socket.path, uid, env: process.env }),
    group: config.socket.group,
    shown,
    handlers: {
      ...controlHandlers({ view, puller, preheat: keeping.preheat, names, jobs }),
      ...keeping.handlers,
      ...charterHandlers(charter),
      seed: seedHandler({ seeder: seeding.seeder, hints, preheat: keeping.preheat, jobs }),
      'replicate-run': (request, { signal, progress }) => replication.run(request, signal, progress),
    } satisfies Handlers,
    onError: (operation, error) => log.for('control').error('an operation failed', { operation, reason: String(error) }),
  });

  // From here on others see it
  await network.start();
  containerd?.start({
    registries: () => [registryName(), ...aliases(), ...mirrors.list().map(({ name }) => name)].filter((name) => name !== undefined),
    isExcluded: (full) => excluded.has(full),
  });
  for (const [name, endpoint] of Object.entries({ registry, push, status, control })) {
    if (endpoint === undefined) continue;
    await endpoint.start();
    working.defer(`the ${name} endpoint`, () => endpoint.stop());
  }
  replication.start();
  await view.lookAround();
  const probing = every(ORIGIN_PROBE_MS, 'now', (signal) => view.probeOrigins(signal));
  const repeated = [
    probing,
    every(LOOK_MS, 'later', () => view.lookAround()),
    every(STORE_LOOK_MS, 'later', () => storeHealth.look()),
    ...(charter === undefined ? [] : [every(LOOK_MS, 'later', () => charter.catchUp())]),
  ];
  parts.defer(steps.named('what is done at intervals', () => Promise.all(repeated.map((one) => one[Symbol.asyncDispose]()))));
  parts.defer(
    directory.onChange(() => {
      probing.run();
    }),
  );

  const file: AgentFile = {
    pid: process.pid,
    peerId: network.self,
    multiaddrs: network.multiaddrs(),
    registry: registry.url,
    status: status?.url ?? null,
    push: push?.url ?? null,
    socket: control.path,
  };
  await writeAgentFile(config.data, file);
  parts.defer(() => removeAgentFile(config.data));
  await notifySystemd(['--ready', `--status=peer ${network.self}`], log);
  parts.use(keepWatchdogQuiet(log));
  log.info('ready', {
    name: config.name,
    peer: file.peerId,
    key: keyIds[0],
    registry: file.registry,
    status: file.status ?? undefined,
    push: file.push ?? undefined,
    data: config.data,
    listen: file.multiaddrs.join(' '),
  });

  const running = parts.move();
  return { file, stop: () => stopAll(running, log), stopping: () => steps.toString() };
}

/** Decisions of transfers, a line each, with the names of the nodes that they are about. */
function sayOf(log: Logger, peers: PeerNames): Say {
  return (message, { peer, ...fields }) =>
    log.debug(message, { ...fields, node: peer === undefined ? undefined : peers.called(String(peer)) });
}
