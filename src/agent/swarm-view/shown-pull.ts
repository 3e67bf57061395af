import type { SwarmPull, SwarmPullDetail } from '../../status/swarm-document.ts';
import type { PullDetail } from './pull-summary.ts';
import { shown } from './shown.ts';
import type { Summary } from './summary.ts';

/** Pure: a member's answer, or this node's own, as the page has it. */
export function pullDetail(peerId: string, pull: PullDetail, now: number): SwarmPullDetail {
  return {
    ...shownPull(peerId, pull, now),
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
      strip: shownStrip(strip, pull.sources),
      seconds: elapsedMs / 1000,
      waitedSeconds: waitedMs / 1000,
      ...rest,
    })),
    blobCount: pull.blobCount,
  };
}

/** Pure: one of a member's last pulls, as the page has it. */
export function shownPull(
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

/** A strip without sources that are not listed. */
export function shownStrip(strip: readonly number[], sources: readonly unknown[]): number[] {
  return strip.map((index) => (index < sources.length ? index : -3));
}
