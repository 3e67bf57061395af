import { TWELVE_LAYERS } from '../crowd/payload.ts';

export interface FastCase {
  readonly hosts: number;
  /** Bytes of each layer. */
  readonly layers: readonly number[];
  /** Bits a second of every line, the origin's too; infinite without shaping. */
  readonly rate: number;
}

const MIB = 1 << 20;
const SIZES = [64 * MIB, 512 * MIB, 2048 * MIB];
const HOSTS = [2, 4, 8];

/** What `npm run bench fast` records. */
export const FAST_CASES: readonly FastCase[] = [
  ...SIZES.flatMap((size) => HOSTS.map((hosts) => ({ hosts, layers: [size], rate: Number.POSITIVE_INFINITY }))),
  ...HOSTS.map((hosts) => ({ hosts, layers: TWELVE_LAYERS, rate: Number.POSITIVE_INFINITY })),
  // A blob that takes longer than clients wait without a byte.
  { hosts: 2, layers: [5 * 1024 * MIB], rate: Number.POSITIVE_INFINITY },
  { hosts: 4, layers: [512 * MIB], rate: 1e9 },
];

const UNITS: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** From the words of a command line; without a rate lines are not shaped. @throws Error that says what was expected */
export function caseOf(words: { readonly hosts: string; readonly size: string; readonly rate?: string | undefined }): FastCase {
  const hosts = Number(words.hosts);
  if (!Number.isInteger(hosts) || hosts < 1) throw new Error(`expected a number of hosts, received "${words.hosts}"`);
  return { hosts, layers: parseLayers(words.size), rate: words.rate === undefined ? Number.POSITIVE_INFINITY : parseRate(words.rate) };
}

/** `512M` is 512 MiB; `12` names the image of twelve layers. @throws Error for anything else */
function parseLayers(text: string): readonly number[] {
  if (text === '12') return TWELVE_LAYERS;
  const [, number, unit] = /^(\d+)([KMG])$/.exec(text) ?? [];
  if (number === undefined || unit === undefined)
    throw new Error(`expected a size such as 512M, or 12 for twelve layers, received "${text}"`);
  return [Number(number) * UNITS[unit]!];
}

/** Bits a second: `1000mbit` or `1gbit`. @throws Error for anything else */
function parseRate(text: string): number {
  const [, number, unit] = /^(\d+)([mg])bit$/.exec(text) ?? [];
  if (number === undefined) throw new Error(`expected a rate such as 1gbit, received "${text}"`);
  return Number(number) * (unit === 'g' ? 1e9 : 1e6);
}

export function describeCase({ hosts, layers, rate }: FastCase): string {
  const size = layers.length === 1 ? formatSize(layers[0]!) : `${layers.length} layers`;
  return `${hosts} hosts, ${size}${Number.isFinite(rate) ? `, ${rate / 1e6} Mbit/s` : ''}`;
}

function formatSize(bytes: number): string {
  return bytes % (1 << 30) === 0 ? `${bytes / (1 << 30)} GiB` : `${bytes / MIB} MiB`;
}
