import type { IncomingMessage, ServerResponse } from 'node:http';

export const MAX_LISTENERS = 32;

export interface ListenersOptions {
  /** Of this node's API, for whoever finds no place. */
  readonly elsewhere: string;
  /** The first came, or the last went. */
  readonly onFirst: () => void;
  readonly onLast: () => void;
}

/** Who listens to server-sent events of one kind. */
export class Listeners {
  readonly #options: ListenersOptions;
  readonly #listeners = new Set<ServerResponse>();
  /** Did not take an event, and so has not all that was told. */
  readonly #behind = new WeakSet<ServerResponse>();

  constructor(options: ListenersOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#listeners.size;
  }

  /** `first`: what a new listener is told at once. */
  attach(request: IncomingMessage, response: ServerResponse, first: () => string): void {
    if (this.#listeners.size >= MAX_LISTENERS) {
      response.writeHead(503, { 'Content-Type': 'text/plain; charset=utf-8', 'Retry-After': '10' });
      response.end(`there are ${MAX_LISTENERS} listeners already; close one, or read ${this.#options.elsewhere}\n`);
      return;
    }
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      'X-Accel-Buffering': 'no',
    });
    request.socket.setNoDelay(true);
    this.#listeners.add(response);
    response.once('close', () => {
      this.#listeners.delete(response);
      if (this.#listeners.size === 0) this.#options.onLast();
    });
    if (this.#listeners.size === 1) this.#options.onFirst();
    response.write(`retry: 2000\n\n${first()}`);
  }

  /** A listener that does not read misses events; the next one that it takes is `whole`, where there is such a thing. */
  tell(event: string, whole: () => string = () => event): void {
    for (const listener of this.#listeners) {
      if (listener.writableNeedDrain) {
        this.#behind.add(listener);
      } else {
        listener.write(this.#behind.delete(listener) ? whole() : event);
      }
    }
  }

  close(): void {
    for (const listener of this.#listeners) listener.end();
  }
}
