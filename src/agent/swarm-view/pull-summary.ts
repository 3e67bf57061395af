import type { Receipt, ReceiptBlob } from '../../status/receipt-document.ts';
import type { MessageOf } from '../../swarm/protocol/message.ts';
import { clip, listedSources, ms, timeOf } from './message-values.ts';

export type PullDetail = MessageOf<'pull'>;

// As the schema of the message has them.
const MAX_PHASES = 8;
const MAX_BLOBS = 24;

/** Pure: where a pull's time went, within the limits of the message. */
export function makePullDetail(receipt: Receipt): PullDetail {
  const {
    digest,
    error,
    startedAt,
    firstByteSeconds,
    waitedSeconds,
    verifySeconds,
    fromOriginBytes,
    peers,
    peerNames,
    stalls,
    retries,
    verified,
    stale,
    phases,
    blobs,
  } = receipt;
  const sources = listedSources(fromOriginBytes, Object.entries(peers));
  return {
    type: 'pull',
    ...pullOf(receipt),
    digest: digest.slice(0, 140),
    ...(error === null ? {} : { error: clip(error) }),
    startedAt: timeOf(startedAt),
    ...(firstByteSeconds === null ? {} : { firstByteMs: ms(firstByteSeconds) }),
    waitedMs: ms(waitedSeconds),
    verifyMs: ms(verifySeconds),
    stalls,
    retries,
    verified,
    stale,
    sources: sources.map(([source, bytes]) => ({
      source: source.slice(0, 128),
      bytes,
      ...(peerNames[source] === undefined ? {} : { name: clip(peerNames[source], 100) }),
    })),
    phases: phases.slice(0, MAX_PHASES).map(({ name, seconds }) => ({ name, elapsedMs: ms(seconds) })),
    blobs: [...blobs]
      .sort((a, b) => b.seconds - a.seconds)
      .slice(0, MAX_BLOBS)
      .map((blob) => ({
        blob: blob.digest,
        bytes: blob.bytes,
        wasHere: blob.source === 'store',
        elapsedMs: ms(blob.seconds),
        waitedMs: ms(blob.waitedSeconds),
        fromOriginBytes: blob.fromOriginBytes,
        fromPeersBytes: blob.fromPeersBytes,
        stalls: blob.stalls,
        retries: blob.retries,
        strip: stripOfRuns(
          blob,
          sources.map(([source]) => source),
        ),
      })),
    blobCount: blobs.length,
  };
}

/** A pull among the last ones of a summary. */
export function pullOf({
  id,
  client,
  result,
  reference,
  verdict,
  finishedAt,
  seconds,
  bytes,
  fromStoreBytes,
  fromOriginBytes,
  fromPeersBytes,
}: Receipt): NonNullable<MessageOf<'summary'>['pulls']>[number] {
  return {
    id,
    client: clip(client, 40),
    result,
    reference: clip(reference),
    verdict: clip(verdict),
    finishedAt: timeOf(finishedAt),
    elapsedMs: ms(seconds),
    bytes,
    fromStoreBytes,
    fromOriginBytes,
    fromPeersBytes,
  };
}

/** A blob's strip of a pull that is over, as the message has it. `listed`: the sources that the message names. */
function stripOfRuns({ strip = [], peers }: ReceiptBlob, listed: readonly string[]): number[] {
  const places = new Map(listed.map((source, index) => [source, index]));
  const peerIds = Object.keys(peers);
  return strip.flatMap(([source, parts]) => {
    const index =
      source === 'missing'
        ? -1
        : source === 'here'
          ? -2
          : (places.get(typeof source === 'number' ? (peerIds[source] ?? '') : source) ?? -3);
    return Array.from({ length: parts }, () => index);
  });
}
