/** A step that takes no longer is not worth a word. */
const SHORT_MS = 100;

/** How far an agent that is being stopped has come, for whoever reads why it took so long. */
export class StopSteps {
  readonly #took: string[] = [];
  readonly #current = new Set<{ readonly name: string; readonly since: number }>();

  /** The same step, watched. */
  named(name: string, stop: () => unknown): () => Promise<void> {
    return async () => {
      const step = { name, since: performance.now() };
      this.#current.add(step);
      try {
        await stop();
      } finally {
        this.#current.delete(step);
        const ms = performance.now() - step.since;
        if (ms > SHORT_MS) this.#took.push(`${name} ${inSeconds(ms)}`);
      }
    };
  }

  /** Disposed of with `parts`, as a step. */
  use<T extends AsyncDisposable>(parts: AsyncDisposableStack, name: string, part: T): T {
    parts.defer(this.named(name, () => part[Symbol.asyncDispose]()));
    return part;
  }

  /** Steps that are taken at once, where `parts` has come to this: none of them waits for what another one still does. */
  together(parts: AsyncDisposableStack): StopTogether {
    return parts.use(new StopTogether(this));
  }

  /** As in `the network 2.1 s so far; before it: the registry endpoint 1.0 s, blobs 1.4 s`. */
  toString(): string {
    const now = [...this.#current].map(({ name, since }) => `${name} ${inSeconds(performance.now() - since)} so far`).join(', ') || 'none';
    return this.#took.length === 0 ? now : `${now}; before it: ${this.#took.join(', ')}`;
  }
}

/** What is stopped at the same time: what each gives to work in hand does not add up. */
export class StopTogether implements AsyncDisposable {
  readonly #steps: StopSteps;
  readonly #stops: (() => Promise<void>)[] = [];

  constructor(steps: StopSteps) {
    this.#steps = steps;
  }

  use<T extends AsyncDisposable>(name: string, part: T): T {
    this.defer(name, () => part[Symbol.asyncDispose]());
    return part;
  }

  defer(name: string, stop: () => unknown): void {
    this.#stops.push(this.#steps.named(name, stop));
  }

  /** @throws AggregateError of what could not be stopped, when all have been told to */
  async [Symbol.asyncDispose](): Promise<void> {
    const outcomes = await Promise.allSettled(this.#stops.splice(0).map((stop) => stop()));
    const failures = outcomes.filter((outcome) => outcome.status === 'rejected').map(({ reason }) => reason as unknown);
    if (failures.length > 0) throw new AggregateError(failures, 'not everything could be stopped');
  }
}

function inSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
