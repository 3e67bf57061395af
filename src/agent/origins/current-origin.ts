import type { Logger } from '../../log.ts';
import type { Origin } from '../../origin/origin.ts';
import type { OriginAnnouncement } from '../../swarm/network/network.ts';
import { normalizeOriginUrl, type OriginDirectory, type OriginState } from '../../swarm/origin-directory.ts';

export interface CurrentOriginOptions {
  readonly directory: OriginDirectory;
  /** The client of the configured origin. */
  readonly configured: Origin | undefined;
  /** Makes the client of another one. @throws for one that cannot be used */
  readonly open: (announced: OriginAnnouncement) => Origin;
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

  /** Makes the client of the same origin anew: what it needs to know beside the address is another. */
  reopen(): void {
    this.#replace(this.state.current);
  }

  async close(): Promise<void> {
    this.#unsubscribe();
    this.#options.directory.close();
    await this.#origin?.close();
  }

  #follow({ current, conflict, reason }: OriginState): void {
    const { log } = this.#options;
    if (conflict !== undefined) log.error(reason ?? 'different origins are named in this swarm');
    if (current?.url === (this.#origin === undefined ? undefined : normalizeOriginUrl(this.#origin.url))) return;
    this.#replace(current);
  }

  #replace(current: OriginState['current']): void {
    const { open, log } = this.#options;
    const old = this.#origin;
    try {
      this.#origin = current === undefined ? undefined : open(current);
    } catch (error) {
      log.error('cannot use the origin that is named', { url: current?.url, reason: String(error) });
      return;
    }
    if (old !== undefined)
      old.close().catch((error: unknown) => log.warn('the client of the former origin did not close', { reason: String(error) }));
    if (current !== undefined)
      log.info(current.source === 'learned' ? 'learned the origin from the swarm' : 'the origin is another one now', { url: current.url });
  }
}
