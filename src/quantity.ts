/** Sizes, rates and durations as people write them in a configuration. Each parser gives undefined for what it does not read. */

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  // As du and qemu-img write them.
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

const BIT_UNITS: Readonly<Record<string, number>> = { bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9 };

const DURATION_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 60e3, h: 3600e3, d: 86_400e3, w: 604_800e3 };

function scaled(text: string | number, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(String(text).trim());
  const factor = match === null ? undefined : units[match[2]!.toLowerCase()];
  if (match === null || factor === undefined) return undefined;
  const value = Math.round(Number(match[1]) * factor);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Bytes of `500MB`, `200GiB`, `30T` (TiB) or `1048576`. */
export function parseSize(text: string | number): number | undefined {
  return scaled(text, SIZE_UNITS);
}

/** Bytes a second of `50MB`, `50MB/s` or `400Mbit/s`. */
export function parseRate(text: string | number): number | undefined {
  const amount = typeof text === 'number' ? text : text.trim().replace(/\/s$/i, '');
  const bits = scaled(amount, BIT_UNITS);
  return bits === undefined ? scaled(amount, SIZE_UNITS) : Math.round(bits / 8);
}

/** Milliseconds of `30s`, `10m`, `12h`, `7d`, `2w` or `500ms`; a bare number but 0 says no unit and is not read. */
export function parseDuration(text: string | number): number | undefined {
  if (text === 0 || text === '0') return 0;
  return scaled(text, DURATION_UNITS);
}

const SIZE_NAMES = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** `1.5 GiB`: three significant digits. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < SIZE_NAMES.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${SIZE_NAMES[unit]}`;
}

/** Whole cells in proportion to `amounts`, which add up to `cells` (largest remainders). */
export function shares(amounts: readonly number[], cells: number): number[] {
  const total = amounts.reduce((sum, amount) => sum + amount, 0);
  if (total === 0) return amounts.map(() => 0);
  const exact = amounts.map((amount) => (amount / total) * cells);
  const whole = exact.map(Math.floor);
  const left = cells - whole.reduce((sum, count) => sum + count, 0);
  const byRemainder = exact.map((share, index) => ({ index, rest: share - whole[index]! })).sort((a, b) => b.rest - a.rest);
  for (const { index } of byRemainder.slice(0, left)) whole[index]!++;
  return whole;
}
