import type { StatusDocument } from '../../status/status-document.ts';
import type { SwarmDocument, SwarmFlow, SwarmJob, SwarmNode, SwarmPull, SwarmTransfer, SwarmTrouble } from '../../status/swarm-document.ts';
import { mergeHours } from './merge-hours.ts';
import { mergeRegistries } from './merge-registries.ts';
import { plausible, shown } from './shown.ts';
import { shownPull, shownStrip } from './shown-pull.ts';
import type { Summary } from './summary.ts';

const MAX_PULLS = 50;
const MAX_FLOWS = 200;
const MAX_TRANSFERS = 60;
const MAX_TROUBLES = 100;
const MAX_JOBS = 20;
const DAY_SECONDS = 86_400;

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
    strip: shownStrip(strip, sources),
  }));
}

/** Of thousands only the last are looked at closely. */
function lastPulls(told: readonly Told[], now: number): SwarmPull[] {
  const all = told.flatMap(({ node: { peerId }, pulls }) => pulls.map((pull) => ({ peerId, pull })));
  return mostOf(all, MAX_PULLS, ({ pull }) => Math.min(pull.finishedAt, now)).map(({ peerId, pull }) => shownPull(peerId, pull, now));
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

function sum<T>(list: readonly T[], value: (item: T) => number): number {
  return list.reduce((total, item) => total + value(item), 0);
}

function mostOf<T>(list: readonly T[], count: number, value: (item: T) => number): T[] {
  return [...list].sort((a, b) => value(b) - value(a)).slice(0, count);
}

function byKey<T>(list: readonly T[], keyOf: (item: T) => string): Record<string, T> {
  return Object.fromEntries(list.map((item) => [keyOf(item), item]));
}
