import type { Fault } from '../support/fault-proxy.ts';
import { mulberry } from '../sim/random.ts';

/** What a member with the swarm key does that it must not. Switched on by `liars/register.ts`. */
export const LIES = ['bytes', 'forgetful', 'tags', 'origin', 'dial', 'flood'] as const;
export type Lie = (typeof LIES)[number];

/** How a client reads: to the end; away in the middle; silent for a while; two hundred at once. */
export const MANNERS = ['plain', 'leaves', 'stops', 'crowd'] as const;
export type Manner = (typeof MANNERS)[number];

/** Where the bit is that flips. */
export type Place = 'blobs' | 'partial' | 'metadata.db';

/** What happens, `at` so many milliseconds after the start; what takes `for` so long is taken back then. Nodes are numbered from 0. */
export type Step = { readonly at: number } & (
  | { readonly kind: 'pull'; readonly node: number; readonly image: number; readonly manner: Manner }
  /** SIGKILL, and a new start in the same folder. */
  | { readonly kind: 'kill'; readonly node: number; readonly for: number }
  /** SIGTERM, and a new start. */
  | { readonly kind: 'restart'; readonly node: number; readonly for: number }
  /** SIGSTOP and SIGCONT. */
  | { readonly kind: 'freeze'; readonly node: number; readonly for: number }
  /** The cable is pulled: nothing arrives, nobody is told. */
  | { readonly kind: 'unplug'; readonly host: number | 'origin'; readonly for: number }
  /** Packets of `from` do not reach `to`; where `both`, neither the other way round. */
  | {
      readonly kind: 'split';
      readonly from: number;
      readonly to: readonly (number | 'origin')[];
      readonly both: boolean;
      readonly for: number;
    }
  /** A hundredth of the line. */
  | { readonly kind: 'slow'; readonly host: number | 'origin'; readonly for: number }
  | { readonly kind: 'origin-kill'; readonly for: number }
  | { readonly kind: 'origin-fault'; readonly fault: Fault; readonly on: 'blobs' | 'all'; readonly times?: number; readonly for: number }
  | { readonly kind: 'disk-full'; readonly node: number; readonly for: number }
  /** The kernel finds an error, and makes the file system read-only for good. */
  | { readonly kind: 'disk-read-only'; readonly node: number }
  /** The second half of the disk cannot be read or written, and is empty afterwards. */
  | { readonly kind: 'disk-error'; readonly node: number; readonly for: number }
  | { readonly kind: 'flip'; readonly node: number; readonly place: Place; readonly random: number }
  /** Connections of one without the key, and rubbish on each. */
  | { readonly kind: 'strangers'; readonly node: number; readonly for: number }
);

export interface Plan {
  /** What it was drawn from; of no meaning where it was written by hand. */
  readonly seed: number;
  readonly nodes: number;
  /** Bits a second of every host's line. */
  readonly rate: number;
  /** Indices of `IMAGES`. */
  readonly images: readonly number[];
  /** The origin asks for a token, which ends after so many milliseconds, long before it says that it does. */
  readonly tokenMs?: number | undefined;
  /** Nodes that are told no origin, and learn it. */
  readonly auto: readonly number[];
  readonly liars: readonly { readonly node: number; readonly lies: readonly Lie[] }[];
  readonly steps: readonly Step[];
}

/** Layers of each image, in bytes. */
export const IMAGES: readonly (readonly number[])[] = [
  [1],
  [1000, 65_537],
  [1 << 20, 300_000],
  [3_000_000, 3_000_001, 2_999_999],
  [12_000_000],
  [40_000_000, 64],
  [200_000_000],
];

const MBIT = 1_000_000;
const PLAY_MS = 20_000;
const LARGE = 6;

/** The same plan for the same seed, always. */
export function drawPlan(seed: number, { withLiars }: { withLiars?: boolean } = {}): Plan {
  const random = mulberry(seed);
  const upTo = (n: number): number => Math.floor(random() * n);
  const pick = <T>(all: readonly T[]): T => all[upTo(all.length)]!;
  const some = <T>(all: readonly T[], count: number): T[] =>
    all
      .map((one) => ({ one, order: random() }))
      .sort((a, b) => a.order - b.order)
      .slice(0, count)
      .map(({ one }) => one);

  const nodes = 4 + Math.floor(9 * random() ** 2);
  const all = Array.from({ length: nodes }, (_, node) => node);
  const images = some(
    IMAGES.keys()
      .toArray()
      .slice(0, random() < 0.15 && nodes <= 6 ? undefined : LARGE),
    1 + upTo(3),
  ).sort((a, b) => a - b);
  const drawn = random() < 0.3;
  const liars = (withLiars ?? drawn) ? [{ node: nodes - 1, lies: some(LIES, 1 + upTo(2)) }] : [];
  const auto = random() < 0.5 ? some(all.slice(1, nodes - 1), 1 + upTo(2)) : [];
  const honest = all.filter((node) => !liars.some((liar) => liar.node === node));
  const duration = (): number => 1000 + upTo(9000);
  const when = (): number => upTo(PLAY_MS);

  const pulls = honest.flatMap((node): Step[] =>
    Array.from({ length: 1 + upTo(2) }, () => ({
      at: upTo(PLAY_MS / 2),
      kind: 'pull',
      node,
      image: pick(images),
      manner: random() < 0.7 ? 'plain' : pick(MANNERS),
    })),
  );
  const kinds: readonly (() => Step)[] = [
    () => ({ at: when(), kind: 'kill', node: pick(honest), for: duration() }),
    () => ({ at: when(), kind: 'kill', node: pick(honest), for: duration() }),
    () => ({ at: when(), kind: 'restart', node: pick(honest), for: duration() }),
    () => ({ at: when(), kind: 'freeze', node: pick(honest), for: duration() }),
    () => ({ at: when(), kind: 'unplug', host: random() < 0.3 ? 'origin' : pick(honest), for: duration() }),
    () => {
      const [from, ...others] = some(all, all.length);
      return {
        at: when(),
        kind: 'split',
        from: from!,
        to: random() < 0.2 ? ['origin'] : others.slice(0, 1 + upTo(others.length)),
        both: random() < 0.5,
        for: duration(),
      };
    },
    () => ({ at: when(), kind: 'slow', host: random() < 0.3 ? 'origin' : pick(honest), for: duration() }),
    () => ({ at: when(), kind: 'origin-kill', for: duration() }),
    () => ({ at: when(), kind: 'origin-fault', fault: pick(faults(random)), on: random() < 0.7 ? 'blobs' : 'all', for: duration() }),
    () => ({ at: when(), kind: 'origin-fault', fault: pick(faults(random)), on: 'blobs', times: 1 + upTo(4), for: duration() }),
    () => ({ at: when(), kind: 'disk-full', node: pick(honest), for: duration() }),
    () =>
      random() < 0.5
        ? { at: when(), kind: 'disk-read-only', node: pick(honest) }
        : { at: when(), kind: 'disk-error', node: pick(honest), for: duration() },
    () => ({
      at: when(),
      kind: 'flip',
      node: pick(honest),
      place: pick(['blobs', 'blobs', 'partial', 'metadata.db'] as const),
      random: random(),
    }),
    () => ({ at: when(), kind: 'strangers', node: pick(honest), for: duration() }),
  ];
  const faultSteps = Array.from({ length: 1 + upTo(7) }, () => pick(kinds)());
  const steps = [...pulls, ...faultSteps].sort((a, b) => a.at - b.at);
  return {
    seed,
    nodes,
    rate: pick([40, 100, 400]) * MBIT,
    images,
    ...(random() < 0.25 ? { tokenMs: duration() } : {}),
    auto,
    liars,
    steps,
  };
}

function faults(random: () => number): Fault[] {
  const at = Math.floor(random() * 2_000_000);
  return [
    { kind: 'status', status: 503, headers: { 'retry-after': '1' } },
    { kind: 'status', status: 500 },
    { kind: 'status', status: 429, headers: { 'retry-after': '2' } },
    { kind: 'status', status: 401 },
    { kind: 'status', status: 200, body: '<html>maintenance</html>', headers: { 'content-type': 'text/html' } },
    { kind: 'hang' },
    { kind: 'reset' },
    { kind: 'delay', ms: 3000 },
    { kind: 'short', bytes: at },
    { kind: 'overlong', extra: 100 },
    { kind: 'cut', after: at },
    { kind: 'stall', after: at },
    { kind: 'corrupt', at },
    { kind: 'slow', bytesPerSecond: 200_000 },
    { kind: 'norange' },
    { kind: 'lyingrange' },
  ];
}

/** The same plan without steps of some kinds, or lies: for troubles that are known, and hide others. */
export function without(plan: Plan, kinds: readonly string[]): Plan {
  const liars = plan.liars
    .map(({ node, lies }) => ({ node, lies: lies.filter((lie) => !kinds.includes(lie)) }))
    .filter(({ lies }) => lies.length > 0);
  return { ...plan, liars, steps: plan.steps.filter(({ kind }) => !kinds.includes(kind)) };
}

/** One line of a step, for people. */
export function stepText({ at, kind, ...rest }: Step): string {
  return `${(at / 1000).toFixed(1)} s ${kind} ${JSON.stringify(rest)}`;
}

/** A plan out of a file. @throws Error for what is none */
export function readPlan(text: string): Plan {
  const plan = JSON.parse(text) as Partial<Plan>;
  for (const key of ['nodes', 'rate', 'images', 'auto', 'liars', 'steps'] as const)
    if (plan[key] === undefined) throw new Error(`the plan says nothing of ${key}`);
  return { seed: 0, ...plan } as Plan;
}
