import type { Logger } from '../../log.ts';
import type { CharterStatus } from '../../status/status-document.ts';
import { CharterBoard } from '../../swarm/charter/charter-board.ts';
import { CharterKey } from '../../swarm/charter/operator-key.ts';
import type { Charter } from '../../swarm/charter/signed-charter.ts';
import type { Announcements, PeerNetwork } from '../../swarm/network/network.ts';
import { version } from '../../version.ts';
import { CharterFile } from './charter-file.ts';
import { parseCharterRules } from './charter-rules.ts';
import type { SwarmRules } from './swarm-rules.ts';

export interface FollowedCharterOptions {
  readonly network: PeerNetwork & Announcements;
  readonly data: string;
  /** The operator's public key. */
  readonly key: string;
  readonly rules: SwarmRules;
  /** The rules are others now. `isOtherCa`: also the origin's certificates, though it may be where it was. */
  readonly onRules: (isOtherCa: boolean) => void;
  readonly log: Logger;
}

/** The charter of this node: what members and the operator bring is checked, kept, and becomes its rules. */
export class FollowedCharter {
  readonly #options: FollowedCharterOptions;
  readonly #key: CharterKey;
  readonly #file: CharterFile;
  readonly #board: CharterBoard;
  #refused: string | undefined;

  private constructor(options: FollowedCharterOptions, file: CharterFile, kept: string | undefined) {
    this.#options = options;
    this.#key = CharterKey.parse(options.key);
    this.#file = file;
    this.#board = new CharterBoard({
      network: options.network,
      key: this.#key,
      kept,
      onCharter: (charter) => {
        this.#follow(charter);
        if (charter.text !== kept) file.keep(charter.text, options.log);
      },
      onRefused: (line) => {
        this.#refused = line;
        options.log.warn(line);
      },
    });
  }

  /** @throws `key-invalid` */
  static async open(options: FollowedCharterOptions): Promise<FollowedCharter> {
    const file = new CharterFile(options.data);
    return new FollowedCharter(options, file, await file.read());
  }

  get text(): string | undefined {
    return this.#board.current?.text;
  }

  /** @throws as `CharterBoard.publish`, `config-invalid` */
  publish(text: string): Charter {
    return this.#board.publish(text);
  }

  /** Asks a member that has a newer one, where there is one. Never throws. */
  async catchUp(): Promise<void> {
    await this.#board.catchUp();
  }

  status(): CharterStatus {
    const wanted = this.#options.rules.charter.version;
    const members = this.#options.network.peers();
    return {
      swarm: this.#key.swarm,
      key: this.#key.text,
      serial: this.#board.current?.serial ?? null,
      version: wanted ?? null,
      behind: this.#board
        .behind()
        .map(({ peerId, name, charter }) => ({ peerId, name, serial: charter?.key === this.#key.text ? charter.serial : null })),
      otherVersions:
        wanted === undefined
          ? []
          : [{ peerId: this.#options.network.self, name: 'this node', agent: `layerswarm/${version}` }, ...members]
              .filter(({ agent }) => agent !== `layerswarm/${wanted}`)
              .map(({ peerId, name, agent }) => ({ peerId, name, agent })),
      refused: this.#refused ?? null,
    };
  }

  async close(): Promise<void> {
    this.#board.close();
    await this.#file.settled();
  }

  /** @throws where this node cannot use it; everything is as it was before then */
  #follow(charter: Charter): void {
    const { rules, onRules, log } = this.#options;
    const before = rules.charter;
    const next = parseCharterRules(charter.content);
    const isOtherCa = before.originCa !== next.originCa;
    rules.follow(next);
    try {
      onRules(isOtherCa);
    } catch (error) {
      rules.follow(before);
      onRules(isOtherCa);
      throw error;
    }
    this.#refused = undefined;
    log.info('follows the charter', { swarm: charter.swarm, serial: charter.serial });
  }
}
