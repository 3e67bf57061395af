import type { EventQueue } from './event-queue.ts';

/** Bytes of TCP, IP and Ethernet headers for each byte of payload, as `tc tbf` counts them. */
export const HEADERS = 1.046;
/** A flow may have this much waiting at a busy receiver before its sender turns to other flows: TCP's window, roughly. */
const WINDOW_BYTES = 192 * 1024;

/** Some bytes on their way from one port to another. */
export interface Item {
  readonly bytes: number;
  /** Asked when its turn comes: false drops it unsent. */
  stillWanted(): boolean;
  /** Its last byte left the sender, or it was dropped. */
  sent(): void;
  delivered(): void;
}

/** A line that many ports share, at `rate` bytes a second: what connects a zone with the others. */
export class SharedLine {
  readonly rate: number;
  bytes = 0;
  #freeAt = 0;

  constructor(rate: number) {
    this.rate = rate;
  }

  /** When bytes that come at `now` are through, in ms. */
  pass(bytes: number, now: number): number {
    this.bytes += bytes;
    this.#freeAt = Math.max(this.#freeAt, now) + (bytes * HEADERS * 1000) / this.rate;
    return this.#freeAt;
  }
}

export interface PortOptions {
  /** Bytes a second. */
  readonly up: number;
  readonly down: number;
  readonly latencyMs: number;
  /** The way out of this host's zone and into it; between hosts of one zone nothing limits but their own lines. */
  readonly zone?: { readonly out: SharedLine; readonly in: SharedLine };
}

interface Flow {
  readonly to: Port;
  readonly queue: Item[];
  /** Bytes sent on this flow that wait on the way or at the receiver. */
  waiting: number;
  /** Has something to send and is not in turn: too much waits. */
  blocked: boolean;
}

/**
 * One host's line: an uplink that serves its flows in turn, one item at a time, and a downlink that takes what arrives in order.
 * What a receiver has not taken in yet holds its flow back, so a slow receiver does not block the others.
 */
export class Port {
  readonly options: PortOptions;
  sentBytes = 0;
  alive = true;
  /** Sends nothing more. */
  stopped = false;
  readonly #queue: EventQueue;
  readonly #flows = new Map<Port, Flow>();
  readonly #turn: Flow[] = [];
  #sending = false;
  #downFreeAt = 0;

  constructor(queue: EventQueue, options: PortOptions) {
    this.#queue = queue;
    this.options = options;
  }

  send(to: Port, item: Item): void {
    let flow = this.#flows.get(to);
    if (flow === undefined) {
      flow = { to, queue: [], waiting: 0, blocked: false };
      this.#flows.set(to, flow);
    }
    flow.queue.push(item);
    if (flow.queue.length === 1 && !flow.blocked) this.#turn.push(flow);
    this.#next();
  }

  #next(): void {
    while (!this.#sending && this.alive && !this.stopped && this.#turn.length > 0) {
      const flow = this.#turn.shift()!;
      if (flow.waiting >= WINDOW_BYTES) {
        flow.blocked = true;
        continue;
      }
      const item = flow.queue.shift()!;
      if (flow.queue.length > 0) this.#turn.push(flow);
      if (item.stillWanted() && flow.to.alive) this.#transmit(flow, item);
      else item.sent();
    }
  }

  #transmit(flow: Flow, item: Item): void {
    this.#sending = true;
    flow.waiting += item.bytes;
    this.sentBytes += item.bytes;
    this.#queue.after((item.bytes * HEADERS * 1000) / this.options.up, () => {
      this.#sending = false;
      item.sent();
      this.#queue.after(this.#wayMs(flow.to, item.bytes), () => flow.to.#receive(item, () => this.#taken(flow, item.bytes)));
      this.#next();
    });
  }

  #wayMs(to: Port, bytes: number): number {
    const { latencyMs, zone } = this.options;
    const there = to.options.zone;
    if (zone === there) return latencyMs;
    const { now } = this.#queue;
    const out = zone?.out.pass(bytes, now) ?? now;
    return latencyMs + (there?.in.pass(bytes, out) ?? out) - now;
  }

  #taken(flow: Flow, bytes: number): void {
    flow.waiting -= bytes;
    if (!flow.blocked) return;
    flow.blocked = false;
    if (flow.queue.length > 0) this.#turn.unshift(flow);
    this.#next();
  }

  /** The downlink works while the uplink of the sender does: only what it is behind delays an item. */
  #receive(item: Item, taken: () => void): void {
    const took = (item.bytes * HEADERS * 1000) / this.options.down;
    const start = Math.max(this.#downFreeAt, this.#queue.now - took);
    this.#downFreeAt = start + took;
    const take = (): void => {
      taken();
      if (this.alive) item.delivered();
    };
    if (this.#downFreeAt <= this.#queue.now) take();
    else this.#queue.after(this.#downFreeAt - this.#queue.now, take);
  }
}
