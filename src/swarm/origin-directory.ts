import type { Network, OriginAnnouncement, Peer } from './network/network.ts';
import { embeddedOriginPeer } from './member-origin.ts';

/** Which origin this swarm has, as far as this node knows. */
export interface OriginState {
  /** What this node uses; undefined while it knows none, or cannot choose. */
  readonly current: OriginAnnouncement | undefined;
  /** Origins that contradict each other, where members are configured with different ones: sorted, the own one included. */
  readonly conflict: readonly string[] | undefined;
  /** One line for a person, when something is wrong. */
  readonly reason: string | undefined;
}

/**
 * Knows the origin: the configured one, else what members say. A member's configuration outweighs what others have learned. Of
 * two configured ones none is chosen anew: that is an operator's mistake, and guessing would let images come from the wrong
 * registry. What is known is told to the members, as learned.
 */
export class OriginDirectory {
  readonly #network: Network;
  readonly #configured: OriginAnnouncement | undefined;
  readonly #listeners = new Set<(state: OriginState) => void>();
  readonly #unsubscribe: () => void;
  #state: OriginState;

  /** `configured`: the URL of this node's own configuration; undefined for `auto`. `remembered`: what was learned in an earlier run. */
  constructor(network: Network, configured: string | undefined, remembered?: string) {
    this.#network = network;
    this.#configured = configured === undefined ? undefined : { url: normalizeOriginUrl(configured) ?? configured, source: 'configured' };
    const current = this.#configured ?? (remembered === undefined ? undefined : learned(remembered));
    this.#state = { current, conflict: undefined, reason: reasonOf(current, undefined) };
    network.announceOrigin(current);
    network.handle('origin-changed', () => {
      this.#update();
      return undefined;
    });
    this.#unsubscribe = network.onPeer(() => { this.#update(); });
    this.#update();
  }

  get state(): OriginState {
    return this.#state;
  }

  /** Returns the unsubscribe function. */
  onChange(listener: (state: OriginState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#unsubscribe();
    this.#listeners.clear();
  }

  #update(): void {
    const next = chooseOrigin(this.#configured, this.#state.current, this.#network.peers());
    const before = this.#state;
    if (sameOrigin(before.current, next.current) && before.reason === next.reason) return;
    this.#state = next;
    if (!sameOrigin(before.current, next.current)) this.#network.announceOrigin(next.current);
    for (const listener of this.#listeners) listener(next);
  }
}

/** Pure: what this node should use, by its configuration, by what it uses now, and by what its members say. */
export function chooseOrigin(configured: OriginAnnouncement | undefined, current: OriginAnnouncement | undefined, members: readonly Pick<Peer, 'origin'>[]): OriginState {
  const said = members.flatMap(({ origin }) => {
    const url = origin === undefined ? undefined : normalizeOriginUrl(origin.url);
    return url === undefined ? [] : [{ url, source: origin!.source }];
  });
  const configuredUrls = new Set(said.filter((origin) => origin.source === 'configured').map((origin) => origin.url));
  if (configured !== undefined) {
    const all = [...configuredUrls.add(configured.url)].sort();
    const conflict = all.length > 1 ? all : undefined;
    return { current: configured, conflict, reason: reasonOf(configured, conflict) };
  }
  const candidates = configuredUrls.size > 0 ? configuredUrls : new Set(said.map((origin) => origin.url));
  const urls = [...candidates].sort();
  const conflict = configuredUrls.size > 1 || (urls.length > 1 && current === undefined) ? urls : undefined;
  const chosen = urls.length === 1 && (configuredUrls.size === 1 || current === undefined) ? learned(urls[0]!) : current;
  return { current: chosen, conflict, reason: reasonOf(chosen, conflict) };
}

/** The form in which origins are compared; undefined for what is no origin, or carries a password. */
export function normalizeOriginUrl(text: string): string | undefined {
  const peerId = embeddedOriginPeer(text);
  if (peerId !== undefined) return /^[a-zA-Z0-9]{20,128}$/.test(peerId) ? text : undefined;
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (!['http:', 'https:'].includes(url.protocol) || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') return undefined;
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

function learned(url: string): OriginAnnouncement {
  return { url, source: 'learned' };
}

function sameOrigin(a: OriginAnnouncement | undefined, b: OriginAnnouncement | undefined): boolean {
  return a?.url === b?.url && a?.source === b?.source;
}

function reasonOf(current: OriginAnnouncement | undefined, conflict: readonly string[] | undefined): string | undefined {
  if (conflict !== undefined) {
    const using = current === undefined ? 'none is used' : `this node uses ${current.url}`;
    return `members name different origins (${conflict.join(', ')}): ${using}; give all nodes the same --origin`;
  }
  return current === undefined ? 'no origin is known yet: no member has told one; give one (--origin)' : undefined;
}
