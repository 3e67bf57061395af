import type { Receipt, ReceiptBlob, StripRun } from '../status/receipt-document.ts';
import { shortDigest } from './format.ts';
import { printable } from './table.ts';

const MAX_STRIPS = 8;
/** As in `layerswarm demo`: the origin, then the peers, whoever gave most first. */
const LETTERS = '123456789abcdefghijklmnopqrstuvwxyz';
const SIGNS = { origin: 'O', here: '=', missing: '.', other: '+' } as const;

/** Which part of which blob came from whom, of the slowest blobs, and who the signs are. Nothing where that is not known. */
export function stripLines({ blobs, peers, peerNames }: Pick<Receipt, 'blobs' | 'peers' | 'peerNames'>): string[] {
  const shown = blobs
    .filter(({ strip = [] }) => strip.length > 0)
    .sort((a, b) => b.seconds - a.seconds)
    .slice(0, MAX_STRIPS);
  if (shown.length === 0) return [];
  const ranked = Object.entries(peers)
    .sort(([, a], [, b]) => b - a)
    .map(([peerId]) => peerId);
  const rows = shown.map((blob) => ({ blob, signs: signsOf(blob, (peerId) => LETTERS[ranked.indexOf(peerId)] ?? SIGNS.other) }));
  const used = rows.map(({ signs }) => signs).join('');
  const legend: [sign: string, name: string][] = [
    [SIGNS.origin, 'the origin'],
    ...ranked.slice(0, LETTERS.length).map((peerId, index): [string, string] => [LETTERS[index]!, printable(peerNames[peerId] ?? peerId)]),
    [SIGNS.other, 'other members'],
    [SIGNS.here, 'was here'],
    [SIGNS.missing, 'did not come'],
  ];
  return [
    '',
    'which part came from whom:',
    ...rows.map(({ blob, signs }) => `${shortDigest(blob.digest)}  [${signs}]`),
    legend.flatMap(([sign, name]) => (used.includes(sign) ? [`${sign} ${name}`] : [])).join(', '),
  ];
}

function signsOf({ strip = [], peers }: ReceiptBlob, letterOf: (peerId: string) => string): string {
  const peerIds = Object.keys(peers);
  const signOf = (source: StripRun[0]): string => (typeof source === 'number' ? letterOf(peerIds[source] ?? '') : SIGNS[source]);
  return strip.map(([source, parts]) => signOf(source).repeat(parts)).join('');
}
