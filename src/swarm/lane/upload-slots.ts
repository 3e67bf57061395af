/** Ranges sent at a time by a node whose uplink is slow, or not known yet. */
const MIN_SLOTS = 8;
/** One slot more for each of these that went out in the last second: fewer at a time are done sooner, and one peer may be slow. */
const BYTES_PER_SLOT = 1024 * 1024;
const MAX_SLOTS = 256;
const TICK_MS = 1000;
/** A lane that takes nothing for this long holds no slot: eight that do not read must not keep everybody else waiting. */
const STALLED_MS = 5000;
/** Who waits longer is told to look elsewhere; less than the time after which a request gives its peer up. */
const MAX_WAIT_MS = 10_000;

/** A lane whose peer asks. */
export interface SlotLane {
  /** What counts as one when the waiting take turns: an IP address, or a group of them. */
  readonly host: string;
  /** Bytes given to its transport so far. */
  readonly sentBytes: number;
}

export interface Slot {
  /** The range is over, or is not wanted any more. Idempotent. */
  end(): void;
}

interface Entry {
  readonly lane: SlotLane;
  readonly since: number;
  readonly begin: () => void;
  readonly refuse: () => void;
}

interface Progress {
  bytes: number;
  at: number;
}

/**
 * Bounds how many requested ranges a node sends at a time. The others wait, and hosts take turns: with hundreds of peers that ask,
 * some get what they asked for soon, and can pass it on, instead of all getting it late.
 */
export class UploadSlots {
  readonly #now: () => number;
  /** Those that wait, by host, in the order of the hosts' turns. */
  readonly #waiting = new Map<string, Entry[]>();
  readonly #held = new Set<Entry>();
  readonly #progress = new Map<SlotLane, Progress>();
  #stalled = new Set<SlotLane>();
  #slots = MIN_SLOTS;
  #timer: NodeJS.Timeout | undefined;
  #tickedAt = 0;

  /** `now`: milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Ranges that may be sent at a time now. */
  get slots(): number {
    return this.#slots;
  }

  /** Ranges that are being sent, and those that wait. */
  get load(): { readonly sending: number; readonly waiting: number } {
    let waiting = 0;
    for (const entries of this.#waiting.values()) waiting += entries.length;
    return { sending: this.#held.size, waiting };
  }

  /** Calls `begin`, now or later, when a range of the lane may be sent; or `refuse` when it has waited too long. */
  enter(lane: SlotLane, begin: () => void, refuse: () => void): Slot {
    const entry: Entry = { lane, since: this.#now(), begin, refuse };
    const waiting = this.#waiting.get(lane.host);
    if (waiting === undefined) this.#waiting.set(lane.host, [entry]);
    else waiting.push(entry);
    this.#grant();
    if (this.#waiting.size > 0 && this.#timer === undefined) this.#watch();
    return { end: () => { this.#end(entry); } };
  }

  /** Looks at what has gone out since the last time. Called by itself while anybody waits. */
  tick(): void {
    const now = this.#now();
    if (now - this.#tickedAt < TICK_MS) return;
    let moved = 0;
    const lanes = new Set(Array.from(this.#held, ({ lane }) => lane));
    for (const lane of lanes) {
      const { sentBytes } = lane;
      const known = this.#progress.get(lane);
      if (known?.bytes === sentBytes) continue;
      moved += sentBytes - (known?.bytes ?? sentBytes);
      this.#progress.set(lane, { bytes: sentBytes, at: now });
    }
    for (const lane of this.#progress.keys()) if (!lanes.has(lane)) this.#progress.delete(lane);
    this.#stalled = new Set(Array.from(this.#progress).flatMap(([lane, { at }]) => (now - at >= STALLED_MS ? [lane] : [])));
    this.#slots = Math.min(MAX_SLOTS, Math.max(MIN_SLOTS, Math.ceil((moved * 1000) / (now - this.#tickedAt) / BYTES_PER_SLOT)));
    this.#tickedAt = now;
    this.#grant();
    for (const entry of [...this.#waiting.values()].flat()) {
      if (now - entry.since < MAX_WAIT_MS) continue;
      this.#end(entry);
      entry.refuse();
    }
    if (this.#waiting.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #watch(): void {
    this.#tickedAt = this.#now();
    this.#progress.clear();
    for (const { lane } of this.#held) this.#progress.set(lane, { bytes: lane.sentBytes, at: this.#tickedAt });
    this.#timer = setInterval(() => { this.tick(); }, TICK_MS).unref();
  }

  #grant(): void {
    while (this.#used() < this.#slots) {
      const [next] = this.#waiting;
      if (next === undefined) return;
      const [host, entries] = next;
      const entry = entries.shift()!;
      // To the end of the line.
      this.#waiting.delete(host);
      if (entries.length > 0) this.#waiting.set(host, entries);
      this.#held.add(entry);
      entry.begin();
    }
  }

  #used(): number {
    if (this.#stalled.size === 0) return this.#held.size;
    let used = 0;
    for (const { lane } of this.#held) if (!this.#stalled.has(lane)) used += 1;
    return used;
  }

  #end(entry: Entry): void {
    if (this.#held.delete(entry)) {
      this.#grant();
      return;
    }
    const { host } = entry.lane;
    const entries = this.#waiting.get(host);
    const index = entries?.indexOf(entry) ?? -1;
    if (index < 0) return;
    entries!.splice(index, 1);
    if (entries!.length === 0) this.#waiting.delete(host);
  }
}
