import type { SwarmChange } from '../swarm-document.ts';

/** The node says something every 5 s: a page that hears nothing for this long is cut off, whatever the browser thinks. */
const SILENCE_MS = 15_000;
const RETRY_MS = 2000;

/** `paused`: nobody looks, so that no member is asked for it. */
export type FeedState = 'connecting' | 'live' | 'lost' | 'paused';

/** What of `EventSource` is used. */
export interface EventConnection {
  addEventListener(type: 'error' | 'beat', listener: () => void): void;
  addEventListener(type: 'swarm', listener: (event: { readonly data: string }) => void): void;
  close(): void;
}

export interface FeedOptions {
  readonly connect: () => EventConnection;
  readonly onChange: (change: SwarmChange) => void;
  readonly onState: (state: FeedState) => void;
  /** Runs something later, unless the function that it returns is called before. */
  readonly later: (ms: number, run: () => void) => () => void;
}

/** The events of the swarm: it notices when they end, and connects again by itself until they come. */
export class Feed {
  readonly #options: FeedOptions;
  #connection: EventConnection | undefined;
  #cancel: () => void = () => undefined;
  #state: FeedState = 'paused';

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#state !== 'paused') return;
    this.#become('connecting');
    this.#connect();
  }

  pause(): void {
    this.#end();
    this.#become('paused');
  }

  #connect(): void {
    this.#end();
    const connection = this.#options.connect();
    this.#connection = connection;
    const mine = (react: () => void) => (): void => {
      if (this.#connection === connection) react();
    };
    connection.addEventListener(
      'error',
      mine(() => {
        this.#lose();
      }),
    );
    connection.addEventListener('swarm', (event) => {
      mine(() => {
        this.#heard();
        this.#options.onChange(JSON.parse(event.data) as SwarmChange);
      })();
    });
    connection.addEventListener(
      'beat',
      mine(() => {
        this.#heard();
      }),
    );
    this.#watch();
  }

  #heard(): void {
    this.#become('live');
    this.#watch();
  }

  #watch(): void {
    this.#cancel();
    this.#cancel = this.#options.later(SILENCE_MS, () => {
      this.#lose();
    });
  }

  /** The browser would try again by itself, but not after every error: this way is one for all. */
  #lose(): void {
    this.#end();
    this.#become('lost');
    this.#cancel = this.#options.later(RETRY_MS, () => {
      this.#connect();
    });
  }

  #end(): void {
    this.#cancel();
    this.#connection?.close();
    this.#connection = undefined;
  }

  #become(state: FeedState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#options.onState(state);
  }
}
