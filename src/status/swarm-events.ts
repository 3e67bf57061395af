import type { IncomingMessage, ServerResponse } from 'node:http';
import { EntryDiff } from './entry-diff.ts';
import { Listeners } from './listeners.ts';
import type { SwarmDocument } from './swarm-document.ts';
import type { SwarmSource } from './swarm-source.ts';

const INTERVAL_MS = 1000;
/** A page that hears nothing for a few times this long knows that it is cut off: a comment, which a browser keeps to itself, would not tell. */
const BEAT_MS = 5000;

/** `GET /api/v1/swarm/events`: what changes of the swarm, as server-sent events ("swarm", a `SwarmChange`; "beat" when nothing does). */
export class SwarmEvents {
  readonly #source: SwarmSource;
  readonly #shown: (json: string) => string;
  readonly #listeners: Listeners;
  readonly #diff = new EntryDiff();
  #timer: NodeJS.Timeout | undefined;
  #stopLooking: (() => void) | undefined;
  #toldAt = 0;

  constructor(source: SwarmSource, shown: (json: string) => string) {
    this.#source = source;
    this.#shown = shown;
    this.#listeners = new Listeners({
      elsewhere: '/api/v1/swarm',
      onFirst: () => {
        this.#stopLooking = source.look();
        this.#diff.change(entriesOf(source.document()));
        this.#timer = setInterval(() => {
          this.#tick();
        }, INTERVAL_MS);
      },
      onLast: () => {
        clearInterval(this.#timer);
        this.#stopLooking?.();
        this.#diff.forget();
      },
    });
  }

  attach(request: IncomingMessage, response: ServerResponse): void {
    this.#listeners.attach(request, response, () => this.#event(this.#diff.whole()));
  }

  close(): void {
    this.#listeners.close();
  }

  #tick(): void {
    const change = this.#diff.change(entriesOf(this.#source.document()));
    const now = performance.now();
    if (change === undefined && now - this.#toldAt < BEAT_MS) return;
    this.#toldAt = now;
    this.#listeners.tell(change === undefined ? 'event: beat\ndata: {}\n\n' : this.#event(change), () => this.#event(this.#diff.whole()));
  }

  #event(json: string): string {
    return `event: swarm\ndata: ${this.#shown(json)}\n\n`;
  }
}

function entriesOf(document: SwarmDocument): Readonly<Record<string, Readonly<Record<string, unknown>>>> {
  return { ...document, about: { ...document.about } };
}
