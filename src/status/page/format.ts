import { formatBytes } from '../../quantity.ts';

/** Between a number and its unit, so that they stay on one line. */
const NBSP = '\u00a0';

/** `1.5 GiB` */
export function size(bytes: number): string {
  return formatBytes(Math.round(bytes)).replace(' ', NBSP);
}

/** `12 MiB/s` */
export function rate(bytesPerSecond: number): string {
  return `${size(bytesPerSecond)}/s`;
}

/** `98 %`: whole, and 100 only where nothing is missing, 0 only where there is nothing. */
export function percent(part: number, whole: number): string {
  if (whole <= 0) return `0${NBSP}%`;
  const exact = (part / whole) * 100;
  const shown = part <= 0 ? 0 : part >= whole ? 100 : Math.min(99, Math.max(1, Math.round(exact)));
  return `${shown}${NBSP}%`;
}

/** `350 ms`, `2.3 s`, `4 min 10 s`, `2 h 5 min`, `3 d 4 h` */
export function duration(seconds: number): string {
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)}${NBSP}ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)}${NBSP}s`;
  const whole = Math.round(seconds);
  const units = [
    ['d', Math.floor(whole / 86_400)],
    ['h', Math.floor(whole / 3600) % 24],
    ['min', Math.floor(whole / 60) % 60],
    ['s', whole % 60],
  ] as const;
  const first = units.findIndex(([, count]) => count > 0);
  return units
    .slice(first, first + 2)
    .filter(([, count]) => count > 0)
    .map(([unit, count]) => `${count}${NBSP}${unit}`)
    .join(' ');
}

/** `just now`, `12 s ago`, `5 min ago`, `3 h ago`, `2 d ago` */
export function ago(time: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - time) / 1000));
  if (seconds < 5) return 'just now';
  if (seconds < 60) return `${seconds}${NBSP}s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}${NBSP}min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}${NBSP}h ago`;
  return `${Math.floor(seconds / 86_400)}${NBSP}d ago`;
}

/** `1 node`, `3 nodes`, `12 347 nodes` */
export function count(number: number, one: string): string {
  return `${String(number).replace(/\B(?=(\d{3})+$)/g, NBSP)}${NBSP}${one}${number === 1 ? '' : 's'}`;
}

/** Enough of a digest to tell it from others. */
export function shortDigest(digest: string): string {
  return digest.replace(/^(sha\d+:[0-9a-f]{12})[0-9a-f]+$/, '$1');
}

/** What a node without a name is called. */
export function shortPeer(peerId: string): string {
  return peerId.length <= 12 ? peerId : `…${peerId.slice(-8)}`;
}

/** `up 3 d 4 h`, to the minute. */
export function uptime(startedAt: number, now: number): string {
  const minutes = Math.floor((now - startedAt) / 60_000);
  return minutes < 1 ? 'just started' : `up ${duration(minutes * 60)}`;
}
