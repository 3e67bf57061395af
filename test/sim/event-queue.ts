/** Something that happens at a time. One object may be queued again after it ran. */
export interface Happening {
  happen(): void;
}

/**
 * Virtual time, in ms: what happens next is always the earliest event; equals keep their order. A binary heap over plain arrays:
 * ten thousand hosts make a hundred million events.
 */
export class EventQueue {
  now = 0;
  /** Events run so far. */
  count = 0;
  #times = new Float64Array(1024);
  #orders = new Float64Array(1024);
  readonly #events: (Happening | (() => void))[] = [];
  #order = 0;

  after(ms: number, event: Happening | (() => void)): void {
    const at = this.now + Math.max(0, ms);
    const order = this.#order++;
    let i = this.#events.push(event) - 1;
    if (i === this.#times.length) this.#grow();
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (this.#times[parent]! <= at) break;
      this.#move(parent, i);
      i = parent;
    }
    this.#put(i, at, order, event);
  }

  /** Runs events until `done` says so, none is left, or virtual time passes `untilMs`. */
  run(done: () => boolean, untilMs: number): void {
    while (this.#events.length > 0 && !done()) {
      const at = this.#times[0]!;
      if (at > untilMs) return;
      const event = this.#pop();
      this.now = at;
      this.count++;
      if (typeof event === 'function') event();
      else event.happen();
    }
  }

  #pop(): Happening | (() => void) {
    const events = this.#events;
    const top = events[0]!;
    const size = events.length - 1;
    const at = this.#times[size]!;
    const order = this.#orders[size]!;
    const event = events.pop()!;
    if (size === 0) return top;
    let i = 0;
    for (let child = 1; child < size; child = 2 * i + 1) {
      if (child + 1 < size && this.#before(child + 1, this.#times[child]!, this.#orders[child]!)) child++;
      if (!this.#before(child, at, order)) break;
      this.#move(child, i);
      i = child;
    }
    this.#put(i, at, order, event);
    return top;
  }

  #before(i: number, at: number, order: number): boolean {
    const time = this.#times[i]!;
    return time < at || (time === at && this.#orders[i]! < order);
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#times[from]!, this.#orders[from]!, this.#events[from]!);
  }

  #put(i: number, at: number, order: number, event: Happening | (() => void)): void {
    this.#times[i] = at;
    this.#orders[i] = order;
    this.#events[i] = event;
  }

  #grow(): void {
    const times = new Float64Array(this.#times.length * 2);
    times.set(this.#times);
    this.#times = times;
    const orders = new Float64Array(times.length);
    orders.set(this.#orders);
    this.#orders = orders;
  }
}
