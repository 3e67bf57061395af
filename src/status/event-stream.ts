import type { IncomingMessage, ServerResponse } from 'node:http';
import { Listeners } from './listeners.ts';
import type { StatusDocument } from './status-document.ts';
import type { StatusSource } from './status-source.ts';

/** Changes are gathered this long, so that a busy node sends one document and not hundreds. */
const INTERVAL_MS = 1000;
/** A comment now and then shows proxies and clients that the stream lives. */
const KEEP_ALIVE_MS = 15_000;

/** `GET /api/v1/events`: the status document as server-sent events ("status"), each time it has changed. */
export class EventStream {
  readonly #source: Pick<StatusSource, 'status'>;
  readonly #shown: (json: string) => string;
  readonly #listeners: Listeners;
  #timer: NodeJS.Timeout | undefined;
  #last = '';
  #id = 0;
  #toldAt = 0;

  constructor(source: Pick<StatusSource, 'status'>, shown: (json: string) => string) {
    this.#source = source;
    this.#shown = shown;
    this.#listeners = new Listeners({
      elsewhere: '/api/v1/status',
      onFirst: () => {
        this.#timer = setInterval(() => {
          this.#tick();
        }, INTERVAL_MS);
      },
      onLast: () => {
        clearInterval(this.#timer);
        this.#last = '';
      },
    });
  }

  attach(request: IncomingMessage, response: ServerResponse): void {
    this.#listeners.attach(request, response, () => this.#event(this.#source.status()));
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  close(): void {
    this.#listeners.close();
  }

  #tick(): void {
    const document = this.#source.status();
    const key = JSON.stringify({ ...document, uptimeSeconds: 0, limits: [] });
    const now = performance.now();
    if (key === this.#last && now - this.#toldAt < KEEP_ALIVE_MS) return;
    this.#toldAt = now;
    this.#listeners.tell(key === this.#last ? ':\n\n' : this.#event(document));
    this.#last = key;
  }

  #event(document: StatusDocument): string {
    return `id: ${++this.#id}\nevent: status\ndata: ${this.#shown(JSON.stringify(document))}\n\n`;
  }
}
