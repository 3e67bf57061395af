import { createHash } from 'node:crypto';
import type { Receipt } from '../../status/receipt-document.ts';
import type { ImageStatus, StatusDocument } from '../../status/status-document.ts';
import type { TransferStatus } from '../../swarm/swarm.ts';
import type { MessageOf } from '../../swarm/protocol/message.ts';
import type { Job } from './job-board.ts';
import { clip, timeOf } from './message-values.ts';
import { pullOf } from './pull-summary.ts';
import type { Hour } from './traffic-history.ts';
import { transferOf } from './transfer-summary.ts';

export type Summary = MessageOf<'summary'>;
/** With all that can be left out of an answer. */
export type WholeSummary = Summary & { readonly images: NonNullable<Summary['images']>; readonly pulls: NonNullable<Summary['pulls']> };

// As the schema of the message has them: one that is over them costs its sender the connection.
const MAX_NAME = 300;
const MAX_TROUBLES = 16;
const MAX_FLOWS = 24;
const MAX_TRANSFERS = 12;
const MAX_REGISTRIES = 32;
const MAX_BANS = 16;
const MAX_IMAGES = 500;
const MAX_PULLS = 20;

/** Bytes a second: less than this is talk, and no blob. */
const LEAST_FLOW = 4096;
const TOTALS: ReadonlySet<string> = new Set(['origin', 'peers', 'sent']);

/** What a summary is made of. */
export interface SummaryFacts {
  readonly status: Omit<StatusDocument, 'transfers' | 'peers' | 'trust'>;
  readonly transfers: readonly TransferStatus[];
  /** Newest first. */
  readonly receipts: readonly Receipt[];
  readonly today: Summary['today'];
  readonly hour: Hour;
  readonly jobs: readonly Job[];
  /** Bytes a second: by peer id what comes from it, and `origin`, `peers`, `sent`: of blobs all that comes from there and goes to members. */
  readonly rates: ReadonlyMap<string, number>;
}

/** What the asker was told before. */
export interface Known {
  readonly imagesKey?: string | undefined;
  readonly pullsKey?: string | undefined;
}

/**
 * Pure: what a node tells of itself to whoever looks at the swarm, within the limits of the message.
 * @param maySee of a full repository name, and of the digest of a blob: what is excluded from the swarm is told to no member
 */
export function makeSummary({ status, transfers, receipts, today, hour, jobs, rates }: SummaryFacts, maySee: MaySee): WholeSummary {
  const { health, store } = status;
  const running = transfers.filter((transfer) => transfer.state !== 'done' && transfer.state !== 'failed' && maySee.blob(transfer));
  const flows = [...rates].filter(([name, rate]) => !TOTALS.has(name) && rate >= LEAST_FLOW).sort(([, a], [, b]) => b - a);
  const images = status.images
    .filter(({ reference }) => reference.length <= MAX_NAME && maySee.reference(reference))
    .slice(0, MAX_IMAGES)
    .map(imageOf);
  const pulls = receipts
    .filter(({ reference }) => reference.length <= MAX_NAME && maySee.reference(reference))
    .slice(0, MAX_PULLS)
    .map(pullOf);
  return {
    type: 'summary',
    version: clip(status.version, 50),
    uptimeMs: status.uptimeSeconds * 1000,
    ready: health.ready,
    level: health.level,
    sentence: clip(health.sentence),
    troubles: Object.entries(health.parts)
      .filter(([, { level }]) => level === 'bad' || level === 'degraded')
      .slice(0, MAX_TROUBLES)
      .map(([part, { level, sentence, since }]) => ({ part: clip(part, 100), level, sentence: clip(sentence), since: timeOf(since) })),
    store: {
      blobs: store.blobs,
      bytes: store.bytes,
      ...(store.maxBytes === null ? {} : { maxBytes: store.maxBytes }),
      ...(store.freeBytes === null ? {} : { freeBytes: store.freeBytes }),
    },
    today,
    hour: { minute: hour.minute, origin: [...hour.origin], peers: [...hour.peers] },
    rates: { origin: rates.get('origin') ?? 0, peers: rates.get('peers') ?? 0, sent: rates.get('sent') ?? 0 },
    flows: flows.slice(0, MAX_FLOWS).map(([from, bytesPerSecond]) => ({ from, bytesPerSecond })),
    transferCount: running.length,
    transfers: [...running]
      .sort((a, b) => b.bytesPerSecond - a.bytesPerSecond)
      .slice(0, MAX_TRANSFERS)
      .map(transferOf),
    registries: status.registries.flatMap(registryOf(status.origin.state)).slice(0, MAX_REGISTRIES),
    bans: status.bans
      .slice(0, MAX_BANS)
      .map(({ peerId, name, reason, until }) => ({
        peerId,
        ...(name === '' ? {} : { name: clip(name, 100) }),
        reason: clip(reason),
        until: timeOf(until),
      })),
    jobs: jobs
      .filter(({ title }) => maySee.reference(title))
      .map(({ endedAt, ...job }) => ({
        ...job,
        title: clip(job.title),
        step: clip(job.step, 200),
        ...(endedAt === undefined ? {} : { endedAt }),
      })),
    imagesKey: keyOf(images),
    images,
    pullsKey: keyOf(pulls),
    pulls,
  };
}

/** What is told of. */
export interface MaySee {
  /** Of a name with its registry, and tag or digest behind it. */
  readonly reference: (reference: string) => boolean;
  readonly blob: (transfer: TransferStatus) => boolean;
}

/** Pure: leaves out what the asker knows already. */
export function newsOf({ images, pulls, ...summary }: Summary, known: Known): Summary {
  return {
    ...summary,
    ...(images === undefined || known.imagesKey === summary.imagesKey ? {} : { images }),
    ...(pulls === undefined || known.pullsKey === summary.pullsKey ? {} : { pulls }),
  };
}

function imageOf({ reference, digest, sizeBytes, complete }: ImageStatus): NonNullable<Summary['images']>[number] {
  return { reference, digest, size: sizeBytes, complete };
}

/** An alias is as well as the origin is. */
function registryOf(
  originState: StatusDocument['origin']['state'],
): (registry: StatusDocument['registries'][number]) => Summary['registries'] {
  return ({ name, kind, state, reason }) => {
    if (kind === 'alias' || name.length > 256) return [];
    return [
      { name, kind, state: kind === 'origin' ? originState : (state ?? 'unknown'), ...(reason === null ? {} : { reason: clip(reason) }) },
    ];
  };
}

function keyOf(content: unknown): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('base64url').slice(0, 22);
}
