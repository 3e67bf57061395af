import type { StatusDocument } from '../../status/status-document.ts';
import type {
  AboutHour,
  SwarmDocument,
  SwarmFlow,
  SwarmJob,
  SwarmNode,
  SwarmPull,
  SwarmPullDetail,
  SwarmRegistry,
  SwarmTransfer,
  SwarmTrouble,
} from '../../status/swarm-document.ts';
import { plausible, shown } from './shown.ts';
import type { PullDetail, Summary } from './summary.ts';

const MAX_PULLS = 50;
const MAX_FLOWS = 200;
const MAX_TRANSFERS = 60;
const MAX_TROUBLES = 100;
const MAX_JOBS = 20;
const MAX_REGISTRIES = 64;
const MINUTES = 60;
const DAY_SECONDS = 86_400;
/** Clocks of members that are further apart than this are not compared. */
const CLOSE_MINUTES = 2;

/** A node of the swarm and what it told, itself or this node. */
export interface Told {
  readonly node: Omit<
    SwarmNode,
    | 'answer'
    | 'version'
    | 'level'
    | 'sentence'
    | 'startedAt'
    | 'storeBytes'
    | 'storeMaxBytes'
    | 'blobs'
    | 'images'
    | 'transfers'
    | 'fromOrigin'
    | 'fromPeers'
    | 'toPeers'
  >;
  readonly answer: SwarmNode['answer'];
  readonly startedAt: number | null;
  readonly images: number;
  /** Absent before it told. */
  readonly summary: Summary | undefined;
  readonly pulls: NonNullable<Summary['pulls']>;
}

export interface MergeOptions {
  readonly status: Pick<StatusDocument, 'peerId' | 'name' | 'zone' | 'version' | 'membership' | 'registries' | 'origin' | 'health'>;
  /** This node first. */
  readonly told: readonly [Told, ...Told[]];
  readonly images: SwarmDocument['images'];
  /** ms since the epoch. */
  readonly now: number;
}

/** Pure: the swarm out of what its nodes told. Nothing that a member says is believed beyond what it can be, and none can crowd the others out. */
export function mergeSwarm({ status, told, images, now }: MergeOptions): SwarmDocument {
  const [own] = told;
  const summaries = told.flatMap(({ node, summary }) => (summary === undefined ? [] : [{ node, summary }]));
  const { health } = status;
  return {
    about: {
      self: {
        peerId: status.peerId,
        name: status.name,
        zone: status.zone,
        version: status.version,
        startedAt: own.startedAt ?? now,
        ready: health.ready,
        level: health.level,
        sentence: health.sentence,
        keyIds: status.membership.keyIds,
        members: told.length - 1,
        told: summaries.length - 1,
      },
      today: {
        originBytes: sum(summaries, ({ summary }) => plausible(summary.today.originBytes, DAY_SECONDS)),
        peersBytes: sum(summaries, ({ summary }) => plausible(summary.today.peersBytes, DAY_SECONDS)),
      },
      hour: mergeHours(summaries.map(({ summary }) => summary.hour)),
    },
    nodes: Object.fromEntries(told.map((one) => [one.node.peerId, nodeOf(one)])),
    flows: byKey(
      mostOf(summaries.flatMap(flowsOf), MAX_FLOWS, ({ bytesPerSecond }) => bytesPerSecond).map((flow) => ({
        ...flow,
        from: shown(flow.from),
      })),
      ({ from, to }) => `${from}>${to}`,
    ),
    transfers: byKey(
      mostOf(summaries.flatMap(transfersOf), MAX_TRANSFERS, ({ bytesPerSecond }) => bytesPerSecond),
      ({ node, digest }) => `${node}/${digest}`,
    ),
    pulls: byKey(lastPulls(told, now), ({ node, id }) => `${node}/${id}`),
    images,
    registries: mergeRegistries(
      status,
      summaries.map(({ summary }) => summary),
    ),
    troubles: byKey(
      summaries.flatMap(({ node, summary }) => troublesOf(node.peerId, summary)).slice(0, MAX_TROUBLES),
      ({ node, kind, subject }) => `${node}/${kind}/${subject}`,
    ),
    jobs: Object.fromEntries(
      summaries
        .flatMap(({ node, summary }) =>
          summary.jobs.map((job): [string, SwarmJob] => [`${node.peerId}/${job.id}`, jobOf(node.peerId, job)]),
        )
        .sort(([, a], [, b]) => rankOf(b) - rankOf(a))
        .slice(0, MAX_JOBS),
    ),
  };
}

/** Pure: a member's answer, or this node's own, as the page has it. */
export function pullDetail(peerId: string, pull: PullDetail, now: number): SwarmPullDetail {
  return {
    ...pullOf(peerId, pull, now),
    digest: shown(pull.digest),
    error: pull.error === undefined ? null : shown(pull.error),
    startedAt: pull.startedAt,
    firstByteSeconds: pull.firstByteMs === undefined ? null : pull.firstByteMs / 1000,
    waitedSeconds: pull.waitedMs / 1000,
    verifySeconds: pull.verifyMs / 1000,
    stalls: pull.stalls,
    retries: pull.retries,
    verified: pull.verified,
    stale: pull.stale,
    sources: pull.sources.map(({ source, name, bytes }) => ({ source: shown(source), name: shown(name ?? ''), bytes })),
    phases: pull.phases.map(({ name, elapsedMs }) => ({ name: shown(name), seconds: elapsedMs / 1000 })),
    blobs: pull.blobs.map(({ blob, elapsedMs, waitedMs, strip = [], ...rest }) => ({
      digest: blob,
      strip: known(strip, pull.sources),
      seconds: elapsedMs / 1000,
      waitedSeconds: waitedMs / 1000,
      ...rest,
    })),
    blobCount: pull.blobCount,
  };
}

/** Pure: minutes of all on top of each other; those of a member whose clock is far off count as if it were right. */
export function mergeHours(hours: readonly Summary['hour'][]): AboutHour {
  const minute = hours[0]?.minute ?? 0;
  const totals = { origin: Array.from({ length: MINUTES }, () => 0), peers: Array.from({ length: MINUTES }, () => 0) };
  for (const hour of hours) {
    const behind = minute - hour.minute;
    const shift = Math.abs(behind) <= CLOSE_MINUTES ? behind : 0;
    for (const kind of ['origin', 'peers'] as const) {
      const [minutes, sums] = [hour[kind], totals[kind]];
      const start = MINUTES - minutes.length - shift;
      for (let index = Math.max(0, -start); index < minutes.length && start + index < MINUTES; index++)
        sums[start + index]! += plausible(minutes[index]!, 60);
    }
  }
  return { minute, ...totals };
}

function nodeOf({ node, answer, startedAt, images, summary }: Told): SwarmNode {
  return {
    ...node,
    name: shown(node.name),
    zone: shown(node.zone),
    answer,
    startedAt,
    images,
    version: shown(summary?.version ?? ''),
    level: summary?.level ?? 'unknown',
    sentence: shown(summary?.sentence ?? ''),
    storeBytes: summary?.store.bytes ?? 0,
    storeMaxBytes: summary?.store.maxBytes ?? null,
    blobs: summary?.store.blobs ?? 0,
    transfers: summary?.transferCount ?? 0,
    fromOrigin: plausible(summary?.rates.origin ?? 0, 1),
    fromPeers: plausible(summary?.rates.peers ?? 0, 1),
    toPeers: plausible(summary?.rates.sent ?? 0, 1),
  };
}

interface Named {
  readonly node: Told['node'];
  readonly summary: Summary;
}

function flowsOf({ node: { peerId }, summary: { flows, rates } }: Named): SwarmFlow[] {
  const fromOrigin = rates.origin > 0 ? [{ from: 'origin', bytesPerSecond: rates.origin }] : [];
  return [...fromOrigin, ...flows.filter(({ from }) => from !== peerId && from !== 'origin')].map(({ from, bytesPerSecond }) => ({
    from,
    to: peerId,
    bytesPerSecond: plausible(bytesPerSecond, 1),
  }));
}

function transfersOf({ node: { peerId }, summary: { transfers } }: Named): SwarmTransfer[] {
  return transfers.map(({ blob, repository, state, size, haveBytes, bytesPerSecond, sources, strip }) => ({
    node: peerId,
    digest: blob,
    repository: shown(repository),
    state,
    sizeBytes: size ?? null,
    haveBytes,
    bytesPerSecond: plausible(bytesPerSecond, 1),
    sources: sources.map(({ source, bytes }) => ({ source: shown(source), bytes })),
    strip: known(strip, sources),
  }));
}

/** A strip without sources that are not listed. */
function known(strip: readonly number[], sources: readonly unknown[]): number[] {
  return strip.map((index) => (index < sources.length ? index : -3));
}

/** Of thousands only the last are looked at closely. */
function lastPulls(told: readonly Told[], now: number): SwarmPull[] {
  const all = told.flatMap(({ node: { peerId }, pulls }) => pulls.map((pull) => ({ peerId, pull })));
  return mostOf(all, MAX_PULLS, ({ pull }) => Math.min(pull.finishedAt, now)).map(({ peerId, pull }) => pullOf(peerId, pull, now));
}

function pullOf(
  node: string,
  {
    id,
    client,
    result,
    reference,
    verdict,
    finishedAt,
    elapsedMs,
    bytes,
    fromStoreBytes,
    fromOriginBytes,
    fromPeersBytes,
  }: NonNullable<Summary['pulls']>[number],
  now: number,
): SwarmPull {
  // nothing has ended yet that ends later, whatever a member's clock says
  return {
    node,
    id,
    client: shown(client),
    result,
    reference: shown(reference),
    verdict: shown(verdict),
    finishedAt: Math.min(finishedAt, now),
    seconds: elapsedMs / 1000,
    bytes,
    fromStoreBytes,
    fromOriginBytes,
    fromPeersBytes,
  };
}

function troublesOf(node: string, { troubles, bans }: Summary): SwarmTrouble[] {
  return [
    ...troubles.map(({ part, level, sentence, since }): SwarmTrouble => ({
      node,
      kind: 'health',
      level,
      subject: shown(part),
      name: '',
      sentence: shown(sentence),
      since,
    })),
    ...bans.map(({ peerId, name, reason, until }): SwarmTrouble => ({
      node,
      kind: 'ban',
      level: 'degraded',
      subject: shown(peerId),
      name: shown(name ?? ''),
      sentence: shown(reason),
      since: until,
    })),
  ];
}

function jobOf(
  node: string,
  { kind, title, state, step, doneBytes, totalBytes, nodesDone, nodes, startedAt, endedAt }: Summary['jobs'][number],
): SwarmJob {
  return {
    node,
    kind,
    title: shown(title),
    state,
    step: shown(step),
    doneBytes,
    totalBytes,
    nodesDone,
    nodes,
    startedAt,
    endedAt: endedAt ?? null,
  };
}

function rankOf({ state, startedAt }: SwarmJob): number {
  return startedAt + (state === 'running' ? Number.MAX_SAFE_INTEGER / 2 : 0);
}

/** This node's, and what others have beside those. */
function mergeRegistries({ registries, origin }: MergeOptions['status'], summaries: readonly Summary[]): Record<string, SwarmRegistry> {
  const merged = new Map<string, SwarmRegistry>(
    registries.map(({ name, kind, url, state, reason, bytes }) => [
      name,
      {
        name,
        kind,
        url,
        bytes,
        nodes: 0,
        failing: 0,
        state: kind === 'origin' ? origin.state : state,
        reason: kind === 'origin' ? origin.reason : reason,
      },
    ]),
  );
  for (const { name: told, kind, state } of summaries.flatMap(({ registries }) => registries)) {
    const name = shown(told);
    const known = merged.get(name);
    if (known === undefined && merged.size >= MAX_REGISTRIES) continue;
    const { nodes, failing, ...rest } = known ?? { name, kind, url: null, state: null, reason: null, bytes: 0, nodes: 0, failing: 0 };
    merged.set(name, { ...rest, nodes: nodes + 1, failing: failing + (state === 'ok' || state === 'unknown' ? 0 : 1) });
  }
  return Object.fromEntries(merged);
}

function sum<T>(list: readonly T[], value: (item: T) => number): number {
  return list.reduce((total, item) => total + value(item), 0);
}

function mostOf<T>(list: readonly T[], count: number, value: (item: T) => number): T[] {
  return [...list].sort((a, b) => value(b) - value(a)).slice(0, count);
}

function byKey<T>(list: readonly T[], keyOf: (item: T) => string): Record<string, T> {
  return Object.fromEntries(list.map((item) => [keyOf(item), item]));
}
