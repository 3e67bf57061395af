import { LayerswarmError } from '../../errors.ts';
import type { Announcements, CharterAnnouncement, Peer, PeerNetwork } from '../network/network.ts';
import type { CharterKey } from './operator-key.ts';
import { type Charter, verifyCharter } from './signed-charter.ts';

export interface CharterBoardOptions {
  readonly network: PeerNetwork & Announcements;
  readonly key: CharterKey;
  /** The file of an earlier run; verified anew. */
  readonly kept: string | undefined;
  /** Takes up a charter that is newer than the one before. @throws for one whose content this node cannot use: it is refused then */
  readonly onCharter: (charter: Charter) => void;
  /** One line: why a charter was refused. */
  readonly onRefused: (line: string) => void;
}

const FETCH_TIMEOUT_MS = 10_000;
const BARRED_MS = 60_000;

/**
 * Keeps the newest charter that the operator signed, and passes it on. Members say which serial they follow; what they say of it is
 * a hint where to ask, and nothing that the key's holder did not sign is believed. A serial never goes back.
 */
export class CharterBoard {
  readonly #options: CharterBoardOptions;
  readonly #unsubscribe: () => void;
  /** Until when a member is not asked that gave none, or one that was refused: ms, monotonic. */
  readonly #barred = new WeakMap<Peer, number>();
  #current: Charter | undefined;
  #fetching = false;
  #closed = false;

  /** A kept charter that is none any longer, such as after another key was pinned, is passed over. */
  constructor(options: CharterBoardOptions) {
    this.#options = options;
    const { network } = options;
    network.handle('get-charter', () => ({ type: 'charter', text: this.#current?.text ?? '' }));
    network.handle('charter-changed', () => {
      void this.catchUp();
      return undefined;
    });
    this.#unsubscribe = network.onPeer((event) => {
      if (event === 'joined') void this.catchUp();
    });
    if (options.kept !== undefined) {
      try {
        this.#adopt(verifyCharter(options.kept, options.key));
      } catch (error) {
        options.onRefused(`the charter that was kept is not used: ${reasonOf(error)}`);
      }
    }
    this.#announce();
  }

  /** The one that this node follows; undefined before it has met one. */
  get current(): Charter | undefined {
    return this.#current;
  }

  /** Takes a charter from the operator's hand. @throws `verification-failed`, `too-large`; `denied` for one that is not newer; as `onCharter` */
  publish(text: string): Charter {
    const charter = verifyCharter(text, this.#options.key);
    const { serial = 0 } = this.#current ?? {};
    if (charter.serial < serial)
      throw new LayerswarmError(
        'denied',
        `expected a charter newer than ${serial}, which this node follows, received ${charter.serial}: sign it anew`,
      );
    if (charter.serial === serial && charter.text !== this.#current?.text)
      throw new LayerswarmError(
        'denied',
        `another charter with serial ${serial} is followed already: sign this one anew, with a higher one`,
      );
    if (charter.serial > serial) this.#adopt(charter);
    return charter;
  }

  /** Members that are known to follow an older one, or none. */
  behind(): readonly Peer[] {
    const { network, key } = this.#options;
    const { serial = 0 } = this.#current ?? {};
    return network.peers().filter(({ charter }) => serial > (charter?.key === key.text ? charter.serial : 0));
  }

  /** Asks members that have a newer one, one at a time, until there is none. Never throws. */
  async catchUp(): Promise<void> {
    if (this.#fetching) return;
    this.#fetching = true;
    try {
      for (let peer = this.#ahead(); peer !== undefined && !this.#closed; peer = this.#ahead()) await this.#ask(peer);
    } finally {
      this.#fetching = false;
    }
  }

  close(): void {
    this.#closed = true;
    this.#unsubscribe();
  }

  #adopt(charter: Charter): void {
    this.#options.onCharter(charter);
    this.#current = charter;
    this.#announce();
  }

  #announce(): void {
    const { network, key } = this.#options;
    network.announceCharter({ key: key.text, serial: this.#current?.serial ?? 0 });
  }

  /** A member that says it follows a newer one, and that was not caught with something else. */
  #ahead(): Peer | undefined {
    const { network, key } = this.#options;
    const { serial = 0 } = this.#current ?? {};
    const now = performance.now();
    const ahead = network.peers().filter((peer) => isAhead(peer.charter, key, serial) && now >= (this.#barred.get(peer) ?? 0));
    return ahead.sort((a, b) => b.charter!.serial - a.charter!.serial)[0];
  }

  async #ask(peer: Peer): Promise<void> {
    const { network, key, onRefused } = this.#options;
    const { serial } = peer.charter!;
    try {
      const { text } = await network.request(peer.peerId, { type: 'get-charter' }, 'charter', { timeoutMs: FETCH_TIMEOUT_MS });
      const charter = verifyCharter(text, key);
      if (charter.serial > (this.#current?.serial ?? 0)) this.#adopt(charter);
      else throw new LayerswarmError('denied', `it gave ${charter.serial}, which is not newer than the one that is followed`);
    } catch (error) {
      this.#barred.set(peer, performance.now() + BARRED_MS);
      if (!this.#closed) onRefused(`the charter ${serial} that member ${peer.peerId} named is refused: ${reasonOf(error)}`);
    }
  }
}

function isAhead(said: CharterAnnouncement | undefined, key: CharterKey, serial: number): boolean {
  return said !== undefined && said.key === key.text && said.serial > serial;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
