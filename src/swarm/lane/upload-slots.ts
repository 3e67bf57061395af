/** Ranges sent at a time by a node whose uplink is slow, or not known yet. */
const MIN_SLOTS = 8;
/** One slot more for each of these that went out in the last second: fewer at a time are done sooner, and one peer may be slow. */
const BYTES_PER_SLOT = 1024 * 1024;
export const MAX_SLOTS = 256;
const TICK_MS = 1000;
/** A lane that takes nothing for this long holds no slot: eight that do not read must not keep everybody else waiting. */
const STALLED_MS = 5000;
/** Who waits longer is told to look elsewhere; less than the time after which a request gives its peer up. */
const MAX_WAIT_MS = 10_000;

/** What the threads of a node know of each other's slots; each thread writes its own part. */
export interface SharedSlots {
  /** Of `newSharedSlots`: slots that each thread's lanes are good for, and ranges that it is sending. */
  readonly memory: SharedArrayBuffer;
  readonly thread: number;
  readonly threads: number;
}

/** A lane whose peer asks. */
export interface SlotLane {
  /** What counts as one when the waiting take turns: an IP address, or a group of them. */
  readonly host: string;
  /** Bytes given to its transport so far. */
  readonly sentBytes: number;
}

export function newSharedSlots(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer(8 * threads);
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
 * some get what they asked for soon, and can pass it on, instead of all getting it late. Threads share the slots of the node: each may
 * have its part of them always, and what the others leave.
 */
export class UploadSlots {
  readonly #now: () => number;
  /** Those that wait, by host, in the order of the hosts' turns. */
  readonly #waiting = new Map<string, Entry[]>();
  readonly #held = new Set<Entry>();
  readonly #progress = new Map<SlotLane, Progress>();
  #stalled = new Set<SlotLane>();
  /** For what the lanes of this thread move. */
  #earned = 0;
  readonly #own: SharedSlots;
  readonly #all: Int32Array;
  #timer: NodeJS.Timeout | undefined;
  #tickedAt = 0;

  /** `now`: milliseconds. */
  constructor(now: () => number = () => performance.now(), shared: SharedSlots = { memory: newSharedSlots(1), thread: 0, threads: 1 }) {
    this.#now = now;
    this.#own = shared;
    this.#all = new Int32Array(shared.memory);
    this.#tell();
  }

  /** Ranges that this thread may send at a time now. */
  get slots(): number {
    const { thread, threads } = this.#own;
    let [earned, heldByOthers] = [0, 0];
    for (let i = 0; i < threads; i++) {
      earned += Atomics.load(this.#all, 2 * i);
      if (i !== thread) heldByOthers += Atomics.load(this.#all, 2 * i + 1);
    }
    const ofNode = Math.min(MAX_SLOTS, Math.max(MIN_SLOTS, earned));
    return Math.max(Math.ceil(MIN_SLOTS / threads), Math.min(this.#earned, Math.floor(MAX_SLOTS / threads)), ofNode - heldByOthers);
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
    return {
      end: () => {
        this.#end(entry);
      },
    };
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
    this.#earned = Math.ceil((moved * 1000) / (now - this.#tickedAt) / BYTES_PER_SLOT);
    this.#tickedAt = now;
    this.#tell();
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
    this.#timer = setInterval(() => {
      this.tick();
    }, TICK_MS).unref();
  }

  #grant(): void {
    for (;;) {
      const [next] = this.#waiting;
      if (next === undefined || this.#used() >= this.slots) return;
      const [host, entries] = next;
      const entry = entries.shift()!;
      // To the end of the line.
      this.#waiting.delete(host);
      if (entries.length > 0) this.#waiting.set(host, entries);
      this.#held.add(entry);
      this.#tell();
      entry.begin();
    }
  }

  #tell(): void {
    const { thread } = this.#own;
    Atomics.store(this.#all, 2 * thread, this.#earned);
    Atomics.store(this.#all, 2 * thread + 1, this.#used());
  }

  #used(): number {
    if (this.#stalled.size === 0) return this.#held.size;
    let used = 0;
    for (const { lane } of this.#held) if (!this.#stalled.has(lane)) used += 1;
    return used;
  }

  #end(entry: Entry): void {
    if (this.#held.delete(entry)) {
      this.#tell();
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
