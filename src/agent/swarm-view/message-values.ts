/** As the schemas of the messages have it: what is over it costs its sender the connection. */
const MAX_SENTENCE = 300;
const MAX_SOURCES = 24;

/** Whole characters: half of one is no text that can be sent. */
export function clip(text: string, length = MAX_SENTENCE): string {
  return (text.length <= length ? text : `${text.slice(0, length - 1)}…`).toWellFormed();
}

/** Milliseconds. */
export function ms(seconds: number): number {
  return Math.max(0, Math.round(seconds * 1000));
}

/** Milliseconds since the epoch; 0 for what is no time. */
export function timeOf(iso: string): number {
  const time = Date.parse(iso);
  return Number.isNaN(time) ? 0 : Math.max(0, time);
}

/** Where bytes came from, the most first: `origin`, or a peer id. No more than a message takes. */
export function listedSources(
  originBytes: number,
  peers: Iterable<readonly [string, number]>,
): (readonly [source: string, bytes: number])[] {
  return [['origin', originBytes] as const, ...peers]
    .filter(([, bytes]) => bytes > 0)
    .sort(([, a], [, b]) => b - a)
    .slice(0, MAX_SOURCES);
}
