import type { BlobProgress, PullProgress } from '../control/pull-operation.ts';
import { formatBytes } from '../quantity.ts';
import { shortDigest } from './format.ts';
import { bar, timeLeft } from './status-screen.ts';

const BAR_WIDTH = 24;
const PLAIN_INTERVAL_MS = 2000;

export interface ProgressView {
  show(progress: PullProgress): void;
  /** Leaves the screen as it should stay. */
  end(): void;
}

/** Bars that move on a terminal; elsewhere a line now and then. */
export function progressView(stream: NodeJS.WriteStream): ProgressView {
  return stream.isTTY ? new Bars(stream) : new PlainLines(stream);
}

class Bars implements ProgressView {
  readonly #stream: NodeJS.WriteStream;
  #lines = 0;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  show(progress: PullProgress): void {
    if (progress.kind === 'resolved') {
      this.#stream.write(`${progress.reference} is ${progress.digest}\n`);
      return;
    }
    const room = Math.max(1, (this.#stream.rows ?? 24) - 2);
    const width = this.#stream.columns ?? 80;
    // What still moves comes first, where the screen is too low for all.
    const order = [...progress.blobs].sort((a, b) => Number(a.state === 'done') - Number(b.state === 'done'));
    const lines = [total(progress.blobs), ...(order.length >= room ? order.slice(0, room - 1) : progress.blobs).map(line)];
    const up = this.#lines > 0 ? `\x1b[${this.#lines}A` : '';
    this.#stream.write(`${up}${lines.map((line) => `\x1b[2K${line.slice(0, width - 1)}\n`).join('')}\x1b[J`);
    this.#lines = lines.length;
  }

  end(): void {
    this.#lines = 0;
  }
}

class PlainLines implements ProgressView {
  readonly #stream: NodeJS.WriteStream;
  #shownAt = -Infinity;
  #last: string | undefined;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  show(progress: PullProgress): void {
    if (progress.kind === 'resolved') {
      this.#stream.write(`${progress.reference} is ${progress.digest}\n`);
      return;
    }
    this.#last = total(progress.blobs);
    const now = performance.now();
    if (now - this.#shownAt < PLAIN_INTERVAL_MS) return;
    this.#shownAt = now;
    this.#flush();
  }

  end(): void {
    this.#flush();
  }

  #flush(): void {
    if (this.#last !== undefined) this.#stream.write(`${this.#last}\n`);
    this.#last = undefined;
  }
}

function line(blob: BlobProgress): string {
  const share = blob.sizeBytes === 0 ? Number(blob.state === 'done') : Math.min(1, blob.haveBytes / blob.sizeBytes);
  const state =
    blob.state === 'fetching'
      ? `${formatBytes(blob.bytesPerSecond)}/s${timeLeft(blob.sizeBytes - blob.haveBytes, blob.bytesPerSecond)}`
      : blob.state;
  return `${shortDigest(blob.digest)} ${bar(share, 1, BAR_WIDTH)} ${formatBytes(blob.haveBytes).padStart(9)} of ${formatBytes(blob.sizeBytes).padStart(9)}  ${state}`;
}

function total(blobs: readonly BlobProgress[]): string {
  const sum = (value: (blob: BlobProgress) => number): number => blobs.reduce((all, blob) => all + value(blob), 0);
  const done = blobs.filter(({ state }) => state === 'done').length;
  return (
    `${done} of ${blobs.length} blobs, ${formatBytes(sum(({ haveBytes }) => haveBytes))} of ${formatBytes(sum(({ sizeBytes }) => sizeBytes))}, ` +
    `${formatBytes(sum(({ fromPeersBytes }) => fromPeersBytes))} from peers, ${formatBytes(sum(({ fromOriginBytes }) => fromOriginBytes))} from the origin` +
    timeLeft(
      sum(({ sizeBytes, haveBytes }) => sizeBytes - haveBytes),
      sum(({ bytesPerSecond }) => bytesPerSecond),
    )
  );
}
