import type { IncomingMessage, ServerResponse } from 'node:http';
import type { StatusDocument } from './status-document.ts';
import type { StatusSource } from './status-source.ts';

export const MAX_CLIENTS = 32;
/** Changes are gathered this long, so that a busy node sends one document and not hundreds. */
const INTERVAL_MS = 1000;
/** A comment now and then shows proxies and clients that the stream lives. */
const KEEP_ALIVE_MS = 15_000;

/** `GET /api/v1/events`: the status document as server-sent events ("status"), each time it has changed. */
export class EventStream {
  readonly #source: Pick<StatusSource, 'status'>;
  readonly #clients = new Set<ServerResponse>();
  readonly #intervalMs: number;
  #timer: NodeJS.Timeout | undefined;
  #last = '';
  #id = 0;
  #sentAt = 0;

  constructor(source: Pick<StatusSource, 'status'>, intervalMs = INTERVAL_MS) {
    this.#source = source;
    this.#intervalMs = intervalMs;
  }

  attach(request: IncomingMessage, response: ServerResponse): void {
    if (this.#clients.size >= MAX_CLIENTS) {
      response.writeHead(503, { 'Content-Type': 'text/plain; charset=utf-8', 'Retry-After': '10' });
      response.end(`there are ${MAX_CLIENTS} listeners already; close one, or read /api/v1/status\n`);
      return;
    }
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      'X-Accel-Buffering': 'no',
    });
    request.socket.setNoDelay(true);
    this.#clients.add(response);
    response.once('close', () => this.#detach(response));
    response.write(`retry: 2000\n\n${this.#event(this.#source.status())}`);
    this.#timer ??= setInterval(() => this.#tick(), this.#intervalMs);
  }

  get listeners(): number {
    return this.#clients.size;
  }

  close(): void {
    for (const client of this.#clients) client.end();
  }

  #detach(client: ServerResponse): void {
    this.#clients.delete(client);
    if (this.#clients.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#last = '';
  }

  #tick(): void {
    const document = this.#source.status();
    const key = JSON.stringify({ ...document, uptimeSeconds: 0, limits: [] });
    const now = performance.now();
    if (key === this.#last) {
      if (now - this.#sentAt < KEEP_ALIVE_MS) return;
      this.#broadcast(':\n\n', now);
      return;
    }
    this.#last = key;
    this.#broadcast(this.#event(document), now);
  }

  /** A client that does not read misses documents; the next one that it takes holds everything again. */
  #broadcast(event: string, now: number): void {
    this.#sentAt = now;
    for (const client of this.#clients) {
      if (!client.writableNeedDrain) client.write(event);
    }
  }

  #event(document: StatusDocument): string {
    return `id: ${++this.#id}\nevent: status\ndata: ${JSON.stringify(document)}\n\n`;
  }
}
