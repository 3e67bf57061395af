export interface Flow {
  readonly from: string;
  readonly to: string;
  readonly bytesPerSecond: number;
}

export interface FlowEnd {
  /** Empty of those that are put together. */
  readonly id: string;
  readonly bytesPerSecond: number;
  readonly y: number;
  readonly height: number;
  /** How many nodes it stands for. */
  readonly nodes: number;
}

export interface Ribbon {
  readonly from: string;
  readonly to: string;
  readonly bytesPerSecond: number;
  readonly fromY: number;
  readonly toY: number;
  readonly height: number;
}

export interface FlowLayout {
  readonly senders: readonly FlowEnd[];
  readonly receivers: readonly FlowEnd[];
  readonly ribbons: readonly Ribbon[];
  readonly height: number;
}

export interface FlowSizes {
  /** Ends on each side; the rest is put together. */
  readonly ends: number;
  /** Height of all bytes, of the gap between ends, and the least of an end: for its name. */
  readonly bytes: number;
  readonly gap: number;
  readonly least: number;
}

/** Pure: senders on one side, receivers on the other, the most first, and a ribbon for each flow, as high as its rate. */
export function layOutFlows(flows: readonly Flow[], sizes: FlowSizes): FlowLayout {
  const left = keepMost(
    flows.map(({ from, bytesPerSecond }) => [from, bytesPerSecond]),
    sizes.ends,
  );
  const right = keepMost(
    flows.map(({ to, bytesPerSecond }) => [to, bytesPerSecond]),
    sizes.ends,
  );
  const merged = new Map<string, Flow>();
  for (const flow of flows) {
    const from = left.names.has(flow.from) ? flow.from : '';
    const to = right.names.has(flow.to) ? flow.to : '';
    const key = `${from}>${to}`;
    merged.set(key, { from, to, bytesPerSecond: flow.bytesPerSecond + (merged.get(key)?.bytesPerSecond ?? 0) });
  }
  const total = flows.reduce((sum, { bytesPerSecond }) => sum + bytesPerSecond, 0);
  const scale = total === 0 ? 0 : sizes.bytes / total;
  const [placedSenders, placedReceivers] = [place(left.ends, scale, sizes), place(right.ends, scale, sizes)];
  const height = Math.max(bottomOf(placedSenders), bottomOf(placedReceivers));
  const senders = centre(placedSenders, height);
  const receivers = centre(placedReceivers, height);
  const order = (ends: readonly FlowEnd[], id: string): number => ends.findIndex((end) => end.id === id);
  const sorted = [...merged.values()].sort(
    (a, b) => order(senders, a.from) - order(senders, b.from) || order(receivers, a.to) - order(receivers, b.to),
  );
  const used = { from: new Map<string, number>(), to: new Map<string, number>() };
  const ribbons = sorted.map(({ from, to, bytesPerSecond }): Ribbon => {
    const thickness = bytesPerSecond * scale;
    const fromY = take(used.from, senders, from, thickness, scale);
    return { from, to, bytesPerSecond, fromY, toY: take(used.to, receivers, to, thickness, scale), height: thickness };
  });
  return { senders, receivers, ribbons, height };
}

interface Kept {
  readonly names: ReadonlySet<string>;
  readonly ends: readonly { readonly id: string; readonly bytesPerSecond: number; readonly nodes: number }[];
}

function keepMost(amounts: readonly (readonly [string, number])[], limit: number): Kept {
  const totals = new Map<string, number>();
  for (const [id, amount] of amounts) totals.set(id, (totals.get(id) ?? 0) + amount);
  const sorted = [...totals].sort(([idA, a], [idB, b]) => b - a || (idA < idB ? -1 : 1));
  const kept = sorted.length <= limit ? sorted : sorted.slice(0, limit - 1);
  const rest = sorted.slice(kept.length);
  return {
    names: new Set(kept.map(([id]) => id)),
    ends: [
      ...kept.map(([id, bytesPerSecond]) => ({ id, bytesPerSecond, nodes: 1 })),
      ...(rest.length === 0 ? [] : [{ id: '', bytesPerSecond: rest.reduce((sum, [, amount]) => sum + amount, 0), nodes: rest.length }]),
    ],
  };
}

function place(ends: Kept['ends'], scale: number, { gap, least }: FlowSizes): FlowEnd[] {
  let y = 0;
  return ends.map((end) => {
    const height = Math.max(least, end.bytesPerSecond * scale);
    const placed = { ...end, y, height };
    y += height + gap;
    return placed;
  });
}

function centre(ends: readonly FlowEnd[], height: number): FlowEnd[] {
  const down = (height - bottomOf(ends)) / 2;
  return ends.map((end) => ({ ...end, y: end.y + down }));
}

/** Where the next ribbon of an end begins: those of an end stand together in its middle. */
function take(used: Map<string, number>, ends: readonly FlowEnd[], id: string, height: number, scale: number): number {
  const end = ends.find((candidate) => candidate.id === id)!;
  const before = used.get(id) ?? 0;
  used.set(id, before + height);
  return end.y + (end.height - end.bytesPerSecond * scale) / 2 + before;
}

function bottomOf(ends: readonly FlowEnd[]): number {
  const last = ends.at(-1);
  return last === undefined ? 0 : last.y + last.height;
}
