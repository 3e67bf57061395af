import { chooseExchanged, chooseSurplus, type Neighbour } from './neighbours.ts';

/** Beyond a full mesh a neighbour is exchanged for another now and then, so that no part of the swarm closes itself off. */
const EXCHANGE_INTERVAL_MS = 300_000;

export interface NeighbourKeeperOptions {
  max: number;
  /** How long one who comes may stay beyond that. */
  graceMs: number;
  /** From here on this node dials nobody of its own accord. */
  target: number;
  neighbours: () => readonly Neighbour[];
  letGo: (peerId: string) => void;
}

/** Keeps the number of neighbours within its bound, and the choice of them fresh. */
export class NeighbourKeeper {
  readonly #options: NeighbourKeeperOptions;
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(options: NeighbourKeeperOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timers.push(
      setInterval(() => {
        this.#trim();
      }, this.#options.graceMs),
      setInterval(() => {
        this.#exchange();
      }, EXCHANGE_INTERVAL_MS),
    );
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }

  #trim(): void {
    const { max, graceMs, neighbours, letGo } = this.#options;
    for (const { peerId } of chooseSurplus(neighbours(), max, Date.now(), graceMs)) letGo(peerId);
  }

  #exchange(): void {
    const neighbours = this.#options.neighbours();
    const exchanged = neighbours.length < this.#options.target ? undefined : chooseExchanged(neighbours, Math.random);
    if (exchanged !== undefined) this.#options.letGo(exchanged.peerId);
  }
}
