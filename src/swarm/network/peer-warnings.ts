import type { LayerswarmError } from '../../errors.ts';

/** Peers of older versions that are remembered as such. */
const MAX_TOO_OLD = 1000;

/** What an operator is told of peers that are kept out, a line each. */
export class PeerWarnings {
  readonly #warn: (line: string) => void;
  readonly #tooOld = new Set<string>();

  constructor(warn: (line: string) => void) {
    this.#warn = warn;
  }

  /** `ownKey`: the id of this node's key; undefined when it has none. */
  otherKey(address: string, ownKey: string | undefined): void {
    this.#warn(
      `a node at ${address} has another swarm key than this one (${ownKey ?? 'none'}) and stays outside: if it is one of yours, give it the same key file`,
    );
  }

  cut(peerId: string, name: string, reason: LayerswarmError): void {
    this.#warn(`peer ${name === '' ? peerId : `${name} (${peerId})`} is cut: ${reason.message}`);
  }

  /** For its version. It comes again and again: once is enough to say so. */
  refused(peerId: string, reason: LayerswarmError): void {
    if (this.#tooOld.has(peerId)) return;
    if (this.#tooOld.size >= MAX_TOO_OLD) this.#tooOld.clear();
    this.#tooOld.add(peerId);
    this.#warn(`peer ${peerId} is refused: ${reason.message}`);
  }
}
