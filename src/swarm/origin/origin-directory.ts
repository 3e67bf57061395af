import type { Origin } from '../../origin/origin.ts';
import type { Network } from '../network/network.ts';
import { chooseOrigin } from './choose-origin.ts';

export interface OriginDirectoryOptions {
  readonly network: Network;
  /** The origin that the configuration names; it is never exchanged for another. */
  readonly configured?: Origin | undefined;
  /** Learned the last time that this node ran. */
  readonly remembered?: string | undefined;
  /** Makes the client of a learned origin. @throws for one that cannot be used */
  readonly open: (url: string) => Origin;
  /** Told when another origin was learned, or members began or ceased to disagree. */
  readonly onChange: (state: OriginState) => void;
  readonly onError: (error: unknown) => void;
}

export type OriginState =
  | { readonly kind: 'none' }
  | { readonly kind: 'configured'; readonly origin: Origin }
  | { readonly kind: 'learned'; readonly origin: Origin }
  | { readonly kind: 'conflict'; readonly urls: readonly string[]; readonly origin: Origin | undefined };

/** Which origin this node uses: the configured one, else the one that the members of the swarm name. It tells them in turn. */
export class OriginDirectory {
  readonly #options: OriginDirectoryOptions;
  readonly #unsubscribe: () => void;
  #state: OriginState;

  constructor(options: OriginDirectoryOptions) {
    const { network, configured, remembered } = options;
    this.#options = options;
    this.#state = configured === undefined ? { kind: 'none' } : { kind: 'configured', origin: configured };
    if (configured === undefined && remembered !== undefined) this.#learn(remembered);
    network.handle('origin-changed', () => {
      this.#review();
      return undefined;
    });
    this.#unsubscribe = network.onPeer((event) => {
      if (event === 'joined') this.#review();
    });
    this.#announce();
  }

  get state(): OriginState {
    return this.#state;
  }

  /** The origin to use now; undefined while none is known. */
  current(): Origin | undefined {
    return this.#state.kind === 'none' ? undefined : this.#state.origin;
  }

  async close(): Promise<void> {
    this.#unsubscribe();
    await this.current()?.close();
  }

  #review(): void {
    const before = this.#state;
    if (before.kind === 'configured') return;
    const announcements = this.#options.network.peers().flatMap(({ origin }) => origin ?? []);
    const choice = chooseOrigin(announcements, this.current()?.url);
    switch (choice.kind) {
      case 'none':
        return;
      case 'learned':
        if (before.kind !== 'learned' || before.origin.url !== choice.url) this.#learn(choice.url);
        break;
      case 'conflict':
        if (before.kind !== 'conflict' || before.urls.join(' ') !== choice.urls.join(' ')) {
          this.#replace({ kind: 'conflict', urls: choice.urls, origin: choice.url === undefined ? undefined : this.current() });
        }
        break;
      default:
        choice satisfies never;
    }
    if (this.#state === before) return;
    this.#announce();
    this.#options.onChange(this.#state);
  }

  #learn(url: string): void {
    try {
      const current = this.current();
      this.#replace({ kind: 'learned', origin: current?.url === url ? current : this.#options.open(url) });
    } catch (error) {
      this.#options.onError(error);
    }
  }

  #replace(state: Exclude<OriginState, { kind: 'none' }>): void {
    const old = this.current();
    this.#state = state;
    if (old !== undefined && old !== state.origin) old.close().catch((error: unknown) => this.#options.onError(error));
  }

  #announce(): void {
    const { network } = this.#options;
    const state = this.#state;
    if (state.kind === 'configured') network.announceOrigin({ url: state.origin.url, source: 'configured' });
    // A node that hears two names passes neither on: each member is to see for itself who says what.
    else network.announceOrigin(state.kind === 'learned' ? { url: state.origin.url, source: 'learned' } : undefined);
  }
}
