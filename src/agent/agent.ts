import { join } from 'node:path';
import { ControlServer, type Handlers } from '../control/control-server.ts';
import { removeAgentFile, writeAgentFile, type AgentFile } from '../control/agent-file.ts';
import { controlSocketPath } from '../control/socket-path.ts';
import type { Logger } from '../log.ts';
import { CLIENTS } from '../registry/client-name.ts';
import { MALFORMED_REQUESTS } from '../registry/http/refuse-connection.ts';
import { Metrics } from '../status/metrics.ts';
import { StatusServer } from '../status/status-server.ts';
import { RESERVE_BYTES } from '../store/store.ts';
import { openAgentCore } from './agent-core.ts';
import { makePushProxy, makeRegistry } from './client-endpoints.ts';
import { ClientPulls } from './pull/client-pulls.ts';
import { charterHandlers } from './charter/charter-handlers.ts';
import type { AgentConfig } from './config/config.ts';
import { DiskWatch } from './health/disk-watch.ts';
import { RuntimeWatch } from './health/runtime-watch.ts';
import { ImageList } from './view/image-list.ts';
import { makeKeeping, type Keeping } from './keep/keeping.ts';
import { limitsOf } from './view/limits.ts';
import { NodeView } from './view/node-view.ts';
import { controlHandlers } from './operations.ts';
import { Puller } from './pull/puller.ts';
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
import { keepWatchdogQuiet, notifySystemd } from './systemd.ts';

export interface Agent {
  /** How to reach it: what `DIR/agent.json` says. */
  readonly file: AgentFile;
  /** Stops everything, what was started last first, and together what does not need each other. */
  stop(): Promise<void>;
  /** What is being stopped, and what was before it, with the time that it took. */
  stopping(): string;
}

/**
 * Builds a node and starts it: makes what people and runtimes use, joins it to the core and to each other. When something fails, what was
 * built is closed again. @throws `config-invalid`, `key-invalid`, `store-locked`, `store-format`, `store-unwritable`, `disk-full`, `port-taken`
 */
export async function startAgent(config: AgentConfig, plainLog: Logger, strayErrors: () => number = () => 0): Promise<Agent> {
  await using parts = new AsyncDisposableStack();
  const steps = new StopSteps();
  const uid = process.getuid?.() ?? 0;

  let onDamaged: Keeping['damaged'] = () => undefined;
  const core = await openAgentCore(config, plainLog, {
    parts,
    steps,
    onDamaged: (...damage) => {
      onDamaged(...damage);
    },
  });
  const { log, own, store, containerd, excluded, network, peers, directory, ownOrigin, exchange, mirrors, charter } = core;
  const { origin, registryName, repositoryPrefix, isExcluded, aliases, shown } = ownOrigin;

  // What people and monitoring see
  const kept = steps.together(parts);
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
    ...core,
    config,
    embedded: core.embedded !== undefined,
    shown,
    storeHealth,
    images,
    receipts,
    tally,
    mirrors: () => mirrors.list(),
    replication,
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
  const registry = makeRegistry(config, core, tally);
  const hints = new TagHints({
    network,
    images: store.images,
    origin,
    isExcluded,
    wants: (repository, tag) => replication.wants(repository, tag),
    log: log.for('tags'),
  });
  // every tag of an embedded origin that is new or moves was pushed here
  if (core.embedded !== undefined) parts.defer(store.images.onTag(({ repository, tag }) => hints.announceStored(repository, tag)));
  const push = makePushProxy(config, core, { registry, tally, hints });
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
    embedded: core.embedded !== undefined,
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
  working.defer('what is done at intervals', () => Promise.all(repeated.map((one) => one[Symbol.asyncDispose]())));
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
    key: core.keyIds[0],
    registry: file.registry,
    status: file.status ?? undefined,
    push: file.push ?? undefined,
    data: config.data,
    listen: file.multiaddrs.join(' '),
  });

  const running = parts.move();
  return { file, stop: () => stopAll(running, log), stopping: () => steps.toString() };
}
