/** What a node held at one minute. */
export interface Sample {
  readonly minute: number;
  readonly node: number;
  /** Bytes. */
  readonly resident: number;
  /** Open descriptors that are no sockets. */
  readonly files: number;
  readonly sockets: number;
  /** Files and folders in its data folder. */
  readonly stored: number;
  /** Since it started. */
  readonly cpuSeconds: number;
}

type Held = 'resident' | 'files' | 'sockets' | 'stored';

/** What the median of the last third may have more than that of the first: a share, and so many. */
const ROOM: Readonly<Record<Held, { readonly share: number; readonly more: number }>> = {
  resident: { share: 0.1, more: 10 * 2 ** 20 },
  files: { share: 0, more: 8 },
  sockets: { share: 0, more: 8 },
  stored: { share: 0.2, more: 20 },
};

/** Whether nothing grew between the first third of the samples after the warm-up (minutes) and the last. */
export function isFlat(samples: readonly Sample[], warmUp: number): boolean {
  const rows = rowsOf(samples, warmUp);
  return rows.length > 0 && rows.every(({ held }) => Object.values(held).every(({ grew }) => !grew));
}

/** A Markdown table: of each node the medians of the first and the last third; what grew is bold. */
export function soakTable(samples: readonly Sample[], warmUp: number): string {
  const rows = rowsOf(samples, warmUp).map(({ node, held, cpuShare }) => {
    const cell = (key: Held, unit = 1): string => {
      const { first, last, grew } = held[key];
      const text = `${Math.round(first / unit)} → ${Math.round(last / unit)}`;
      return grew ? `**${text}**` : text;
    };
    return `| ${node} | ${cell('resident', 2 ** 20)} | ${cell('files')} | ${cell('sockets')} | ${cell('stored')} | ${(cpuShare * 100).toFixed(1)} % |`;
  });
  return [
    '| node | resident MiB | descriptors but sockets | sockets | files in its folder | CPU of a core |',
    '|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

interface Row {
  readonly node: number;
  readonly held: Readonly<Record<Held, { readonly first: number; readonly last: number; readonly grew: boolean }>>;
  readonly cpuShare: number;
}

function rowsOf(samples: readonly Sample[], warmUp: number): Row[] {
  const warm = samples.filter(({ minute }) => minute > warmUp);
  return [...Map.groupBy(warm, ({ node }) => node)].map(([node, own]) => {
    const third = Math.ceil(own.length / 3);
    const compare = (key: Held): Row['held'][Held] => {
      const first = median(own.slice(0, third).map((sample) => sample[key]));
      const last = median(own.slice(-third).map((sample) => sample[key]));
      return { first, last, grew: last > first * (1 + ROOM[key].share) + ROOM[key].more };
    };
    const minutes = own.at(-1)!.minute - own[0]!.minute;
    return {
      node,
      held: { resident: compare('resident'), files: compare('files'), sockets: compare('sockets'), stored: compare('stored') },
      cpuShare: minutes === 0 ? 0 : (own.at(-1)!.cpuSeconds - own[0]!.cpuSeconds) / (minutes * 60),
    };
  });
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? 0;
}
