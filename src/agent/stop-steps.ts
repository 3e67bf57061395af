/** A step that takes no longer is not worth a word. */
const SHORT_MS = 100;

/** How far an agent that is being stopped has come, for whoever reads why it took so long. */
export class StopSteps {
  readonly #took: string[] = [];
  #current: { readonly name: string; readonly since: number } | undefined;

  /** The same step, watched. */
  named(name: string, stop: () => unknown): () => Promise<void> {
    return async () => {
      const since = performance.now();
      this.#current = { name, since };
      try {
        await stop();
      } finally {
        this.#current = undefined;
        const ms = performance.now() - since;
        if (ms > SHORT_MS) this.#took.push(`${name} ${inSeconds(ms)}`);
      }
    };
  }

  /** Disposed of with `parts`, as a step. */
  use<T extends AsyncDisposable>(parts: AsyncDisposableStack, name: string, part: T): T {
    parts.defer(this.named(name, () => part[Symbol.asyncDispose]()));
    return part;
  }

  /** As in `network 2.1 s so far; before it: endpoints 1.0 s, blobs 1.4 s`. */
  toString(): string {
    const now = this.#current === undefined ? 'none' : `${this.#current.name} ${inSeconds(performance.now() - this.#current.since)} so far`;
    return this.#took.length === 0 ? now : `${now}; before it: ${this.#took.join(', ')}`;
  }
}

function inSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
