import type { EventQueue } from './event-queue.ts';

/** Bytes of TCP, IP and Ethernet headers for each byte of payload, as `tc tbf` counts them. */
const HEADERS = 1.046;
/** A flow may have this much waiting at a busy receiver before its sender turns to other flows: TCP's window, roughly. */
const WINDOW_BYTES = 192 * 1024;

interface Item {
  readonly bytes: number;
  readonly delivered: () => void;
  /** Asked when its turn comes: false drops it unsent. */
  readonly stillWanted: () => boolean;
  readonly sent: () => void;
}

interface Flow {
  readonly to: Port;
  readonly queue: Item[];
  /** Bytes sent on this flow that wait at the receiver. */
  waiting: number;
}

/**
 * One host's line: an uplink that serves its flows in turn, one item at a time, and a downlink that takes what arrives in order. Rates
 * in bytes a second. What a receiver has not taken in yet holds its flow back, so a slow receiver does not block the others.
 */
export class Port {
  readonly #queue: EventQueue;
  readonly up: number;
  readonly down: number;
  readonly latencyMs: number;
  sentBytes = 0;
  alive = true;
  readonly #flows = new Map<Port, Flow>();
  #turn: Flow[] = [];
  #sending = false;
  #downFreeAt = 0;

  constructor(queue: EventQueue, up: number, down: number, latencyMs: number) {
    this.#queue = queue;
    this.up = up;
    this.down = down;
    this.latencyMs = latencyMs;
  }

  send(to: Port, item: Item): void {
    let flow = this.#flows.get(to);
    if (flow === undefined) {
      flow = { to, queue: [], waiting: 0 };
      this.#flows.set(to, flow);
    }
    flow.queue.push(item);
    if (flow.queue.length === 1) this.#turn.push(flow);
    this.#next();
  }

  #next(): void {
    if (this.#sending || !this.alive) return;
    const blocked: Flow[] = [];
    for (let flow = this.#turn.shift(); flow !== undefined; flow = this.#turn.shift()) {
      if (flow.waiting >= WINDOW_BYTES) {
        blocked.push(flow);
        continue;
      }
      const item = flow.queue.shift()!;
      if (flow.queue.length > 0) this.#turn.push(flow);
      if (!item.stillWanted() || !flow.to.alive) {
        item.sent();
        continue;
      }
      this.#turn = [...blocked, ...this.#turn];
      this.#transmit(flow, item);
      return;
    }
    this.#turn = blocked;
  }

  #transmit(flow: Flow, item: Item): void {
    this.#sending = true;
    flow.waiting += item.bytes;
    this.sentBytes += item.bytes;
    this.#queue.after((item.bytes * HEADERS * 1000) / this.up, () => {
      this.#sending = false;
      item.sent();
      this.#queue.after(this.latencyMs, () => flow.to.#receive(item, () => {
        flow.waiting -= item.bytes;
        this.#next();
      }));
      this.#next();
    });
  }

  /** The downlink works while the uplink of the sender does: only what it is behind delays an item. */
  #receive(item: Item, taken: () => void): void {
    const took = (item.bytes * HEADERS * 1000) / this.down;
    const start = Math.max(this.#downFreeAt, this.#queue.now - took);
    this.#downFreeAt = start + took;
    this.#queue.after(this.#downFreeAt - this.#queue.now, () => {
      taken();
      if (this.alive) item.delivered();
    });
  }
}
