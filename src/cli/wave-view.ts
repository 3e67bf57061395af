import type { NodeOutcome, PrefetchProgress, PrefetchReport } from '../control/prefetch-operation.ts';
import { formatBytes } from '../quantity.ts';
import { formatSeconds, nodeName, shortAddress, shortDigest } from './format.ts';
import { printable, table } from './table.ts';

const BAR_WIDTH = 24;
const NAME_WIDTH = 16;
const PLAIN_INTERVAL_MS = 2000;

/** The wave that goes through the swarm: a bar a node on a terminal, elsewhere a line now and then. */
export class WaveView {
  readonly #stream: NodeJS.WriteStream;
  #lines = 0;
  #shownAt = -Infinity;
  #last = '';
  #pending: string | undefined;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  show(progress: PrefetchProgress): void {
    if (this.#stream.isTTY) {
      this.#draw(progress);
      return;
    }
    const line = summary(progress);
    const now = performance.now();
    if (line === this.#last) return;
    this.#last = this.#pending = line;
    if (now - this.#shownAt < PLAIN_INTERVAL_MS) return;
    this.#shownAt = now;
    this.#pending = undefined;
    this.#stream.write(`${line}\n`);
  }

  /** Says how it ended. */
  end(): void {
    if (this.#pending !== undefined) this.#stream.write(`${this.#pending}\n`);
    this.#pending = undefined;
    this.#lines = 0;
  }

  #draw(progress: PrefetchProgress): void {
    const room = Math.max(1, (this.#stream.rows ?? 24) - 2);
    const width = this.#stream.columns ?? 80;
    // What still moves comes first, where the screen is too low for all.
    const order = progress.nodes.length < room ? progress.nodes : [...progress.nodes].sort((a, b) => rank(a) - rank(b)).slice(0, room - 1);
    const lines = [summary(progress), ...order.map(bar)];
    const up = this.#lines > 0 ? `\x1b[${this.#lines}A` : '';
    this.#stream.write(`${up}${lines.map((line) => `\x1b[2K${line.slice(0, width - 1)}\n`).join('')}\x1b[J`);
    this.#lines = lines.length;
  }
}

function rank({ state }: NodeOutcome): number {
  return state === 'running' ? 0 : state === 'waiting' ? 1 : 2;
}

function bar(node: NodeOutcome): string {
  const share = node.state === 'done' ? 1 : node.sizeBytes === 0 ? 0 : Math.min(1, node.haveBytes / node.sizeBytes);
  const filled = Math.round(share * BAR_WIDTH);
  return `${nodeName(node).slice(-NAME_WIDTH).padEnd(NAME_WIDTH)} [${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}] ${node.zone}  ${node.state}${node.reason === null ? '' : `: ${printable(node.reason)}`}`;
}

function summary({ reference, nodes }: PrefetchProgress): string {
  const count = (state: NodeOutcome['state']): number => nodes.filter((node) => node.state === state).length;
  const bytes = nodes.reduce((sum, { haveBytes }) => sum + haveBytes, 0);
  const trouble = (['failed', 'refused', 'gone'] as const).flatMap((state) => (count(state) === 0 ? [] : [`${count(state)} ${state}`]));
  return [`${reference}: ${count('done')} of ${nodes.length} nodes have it`, formatBytes(bytes), ...trouble].join(', ');
}

/** The receipt of a wave: what each node got, and from where. */
export function formatPrefetch(report: PrefetchReport): string {
  return [
    `${report.reference}  ${shortDigest(report.digest)}`,
    table(
      [
        { label: 'NODE', value: nodeName },
        { label: 'ADDRESS', value: ({ address }) => shortAddress(address) },
        { label: 'ZONE', value: ({ zone }) => zone },
        { label: 'STATE', value: ({ state }) => state },
        { label: 'SIZE', value: ({ sizeBytes }) => formatBytes(sizeBytes), align: 'right' },
        { label: 'ORIGIN', value: ({ fromOriginBytes }) => formatBytes(fromOriginBytes), align: 'right' },
        { label: 'PEERS', value: ({ fromPeersBytes }) => formatBytes(fromPeersBytes), align: 'right' },
        { label: 'TIME', value: ({ state, seconds }) => (state === 'done' ? formatSeconds(seconds) : ''), align: 'right' },
        { label: 'REASON', value: ({ reason }) => reason ?? '' },
      ],
      report.nodes,
      'no node',
    ),
  ].join('\n');
}
