import type { Logger } from '../log.ts';
import type { Origin } from '../origin/origin.ts';
import type { OriginDirectory, OriginState } from '../swarm/origin-directory.ts';

export interface CurrentOriginOptions {
  readonly directory: OriginDirectory;
  /** The client of the configured origin. */
  readonly configured: Origin | undefined;
  /** Makes the client of a learned origin. @throws for one that cannot be used */
  readonly open: (url: string) => Origin;
  readonly onLearned: (url: string) => void;
  readonly log: Logger;
}

/** The client of the origin that the directory names, whichever that is at the time. */
export class CurrentOrigin {
  readonly #options: CurrentOriginOptions;
  readonly #unsubscribe: () => void;
  #origin: Origin | undefined;

  constructor(options: CurrentOriginOptions) {
    this.#options = options;
    this.#origin = options.configured;
    this.#follow(options.directory.state);
    this.#unsubscribe = options.directory.onChange((state) => this.#follow(state));
  }

  get state(): OriginState {
    return this.#options.directory.state;
  }

  /** undefined while none is known. */
  get(): Origin | undefined {
    return this.#origin;
  }

  async close(): Promise<void> {
    this.#unsubscribe();
    this.#options.directory.close();
    await this.#origin?.close();
  }

  #follow({ current, conflict, reason }: OriginState): void {
    const { configured, open, onLearned, log } = this.#options;
    if (conflict !== undefined) log.error(reason ?? 'members name different origins');
    if (configured !== undefined || current?.url === this.#origin?.url) return;
    const old = this.#origin;
    try {
      this.#origin = current === undefined ? undefined : open(current.url);
    } catch (error) {
      log.error('cannot use the origin that members name', { url: current?.url, reason: String(error) });
      return;
    }
    if (old !== undefined) old.close().catch((error: unknown) => log.warn('the client of the former origin did not close', { reason: String(error) }));
    if (current === undefined) return;
    log.info('learned the origin from the swarm', { url: current.url });
    onLearned(current.url);
  }
}
