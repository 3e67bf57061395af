import { formatBytes } from '../quantity.ts';
import type { SeedLine } from '../control/seed-operation.ts';
import { printable } from './table.ts';
import { WaveView } from './wave-view.ts';

const BAR_WIDTH = 32;
const PLAIN_INTERVAL_MS = 2000;
const REFRESH_MS = 100;

/** One line that changes on a terminal, with a bar a stage; elsewhere a line now and then. */
export function seedView(stream: NodeJS.WriteStream): { show: (line: SeedLine) => void; end: () => void } {
  let shownAt = stream.isTTY ? -Infinity : performance.now();
  let pending: string | undefined;
  let wave: WaveView | undefined;
  const flush = (): void => {
    if (pending !== undefined) stream.write(stream.isTTY ? `\r\x1b[2K${pending}` : `${pending}\n`);
    pending = undefined;
  };
  return {
    show(line) {
      if (line.kind === 'note') {
        if (!stream.isTTY) stream.write(`${printable(line.text)}\n`);
        else pending = printable(line.text).slice(0, (stream.columns ?? 80) - 1);
      } else if (line.kind === 'wave') {
        if (wave === undefined) {
          flush();
          if (stream.isTTY) stream.write('\r\x1b[2K');
          wave = new WaveView(stream);
        }
        wave.show(line);
        return;
      } else {
        pending = progress(line);
      }
      const now = performance.now();
      if (now - shownAt < (stream.isTTY ? REFRESH_MS : PLAIN_INTERVAL_MS)) return;
      shownAt = now;
      flush();
    },
    end() {
      if (wave !== undefined) {
        wave.end();
        return;
      }
      flush();
      if (stream.isTTY && shownAt > 0) stream.write('\r\x1b[2K');
    },
  };
}

function progress({ kind, doneBytes, totalBytes }: { kind: 'import' | 'push'; doneBytes: number; totalBytes: number }): string {
  const filled = totalBytes === 0 ? BAR_WIDTH : Math.min(BAR_WIDTH, Math.round((doneBytes / totalBytes) * BAR_WIDTH));
  return `${kind === 'import' ? 'read ' : 'origin'} [${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}] ${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`;
}
