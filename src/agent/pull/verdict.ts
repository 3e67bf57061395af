import type { Receipt } from '../../status/receipt-document.ts';
import { formatBytes } from '../../quantity.ts';

/** A pull that took no longer is fast enough: nobody asks. */
const QUICK_SECONDS = 1;
/** A source that gave this part of the bytes gave them alone, as far as time goes. */
const ALONE = 0.7;
/** Sources that gave as much as each other, within this factor, were held up by what they share: the line of this host. */
const ALIKE = 1.5;

/** One sentence: where most of a pull's time went. */
export function verdict(receipt: Omit<Receipt, 'verdict'>): string {
  const { result, error, seconds, bytes, fromStoreBytes, waitedSeconds, verifySeconds, stalls, phases, fromOriginBytes, fromPeersBytes } =
    receipt;
  if (result !== 'done') return `it ${result === 'aborted' ? 'was given up' : 'failed'}: ${error ?? 'no reason is known'}`;
  const fetched = fromOriginBytes + fromPeersBytes;
  if (fetched === 0) return fromStoreBytes > 0 || bytes === 0 ? 'everything was here already' : 'nothing was fetched';
  const asking = phases.filter(({ name }) => name !== 'blobs').reduce((sum, phase) => sum + phase.seconds, 0);
  if (seconds > QUICK_SECONDS && asking > seconds / 2)
    return `${time(asking)} of ${time(seconds)} went into asking the origin for the tag and the manifests`;
  if (seconds > QUICK_SECONDS && waitedSeconds > seconds / 2)
    return `waited ${time(waitedSeconds)} of ${time(seconds)} for a first byte: sources were looked for, or busy with others`;
  if (seconds > QUICK_SECONDS && verifySeconds > seconds / 2)
    return `${time(verifySeconds)} of ${time(seconds)} went into verification: this host's CPU or disk is the limit`;
  const silent =
    stalls === 0 ? '' : `; ${stalls === 1 ? 'a source fell silent once' : `sources fell silent ${stalls} times`}, and others took over`;
  return `${sources(receipt, fetched)}${silent}`;
}

function sources({ seconds, fromOriginBytes, peers, peerNames }: Omit<Receipt, 'verdict'>, fetched: number): string {
  const rate = (bytes: number): string => `${formatBytes(seconds === 0 ? bytes : bytes / seconds)}/s`;
  const given = Object.entries(peers)
    .filter(([, bytes]) => bytes > 0)
    .sort(([, a], [, b]) => b - a);
  const [first] = given;
  const others = given.length === 0 ? 'no member had it' : `${given.length} ${given.length === 1 ? 'member' : 'members'} gave the rest`;
  if (fromOriginBytes >= fetched * ALONE) return `the origin gave ${rate(fromOriginBytes)}, and ${others}`;
  if (first !== undefined && first[1] >= fetched * ALONE)
    return `${nameOf(first[0], peerNames)} gave nearly all of it, at ${rate(first[1])}`;
  const amounts = [...given.map(([, bytes]) => bytes), ...(fromOriginBytes > 0 ? [fromOriginBytes] : [])];
  const [most, least] = [Math.max(...amounts), Math.min(...amounts)];
  if (amounts.length > 1 && most <= least * ALIKE)
    return `the line of this host was full, or all sources equally busy: ${rate(fetched / amounts.length)} from each of ${amounts.length} sources`;
  return `it came from ${amounts.length} sources at ${rate(fetched)}, most from ${first === undefined || fromOriginBytes > first[1] ? 'the origin' : nameOf(first[0], peerNames)} (${rate(most)})`;
}

function nameOf(peerId: string, names: Readonly<Record<string, string>>): string {
  const name = names[peerId];
  return name === undefined || name === '' ? peerId : name;
}

function time(seconds: number): string {
  return `${seconds.toFixed(1)} s`;
}
