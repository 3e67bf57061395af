import { formatBytes, shares } from '../../quantity.ts';
import { formatSeconds } from '../format.ts';
import type { DemoReport } from './demo.ts';

const BAR_WIDTH = 48;
/** One letter a sender: the origin, then the nodes. */
const LETTERS = '123456789abcdefghijklmnopqrstuvwxyz';

/** Who sent what to whom: a bar for each node, with a letter of the sender for each part of what it got. */
export function demoPicture(report: DemoReport): string {
  const letterOf = (name: string): string =>
    name === 'origin' ? 'O' : (LETTERS[report.nodes.findIndex((node) => node.name === name)] ?? '+');
  const width = Math.max(...report.nodes.map(({ name }) => name.length));
  const lines = report.nodes.map(({ name, from, verified, seconds }) => {
    const parts = Object.entries(from)
      .filter(([, bytes]) => bytes > 0)
      .sort(([a], [b]) => order(letterOf(a)) - order(letterOf(b)));
    const bar = shares(
      parts.map(([, bytes]) => bytes),
      BAR_WIDTH,
    )
      .map((cells, index) => letterOf(parts[index]![0]).repeat(cells))
      .join('');
    const state = verified ? 'verified' : 'NOT verified';
    return `  ${name.padEnd(width)} ${letterOf(name)}  [${bar.padEnd(BAR_WIDTH, ' ')}] ${formatSeconds(seconds).padStart(6)}  ${state}`;
  });
  const verified = report.nodes.filter((node) => node.verified).length;
  return [
    'who sent it (O the origin, else the node with that sign):',
    '',
    ...lines,
    '',
    report.reference,
    report.digest,
    `  image             ${formatBytes(report.bytes)}`,
    `  from the origin   ${formatBytes(report.originBytes)}, ${report.copies.toFixed(2)} copies for ${report.nodes.length} nodes`,
    `  from peers        ${formatBytes(report.peerBytes)}`,
    `  time              ${formatSeconds(report.seconds)}`,
    `  verified          ${verified} of ${report.nodes.length} nodes`,
  ].join('\n');
}

function order(letter: string): number {
  return letter === 'O' ? -1 : LETTERS.indexOf(letter);
}
