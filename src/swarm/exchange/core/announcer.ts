import { piecesOf, runsOf, type Bitfield, type Run } from './bitfield.ts';
import type { DownloadLimits } from './limits.ts';
import type { Neighbour } from './neighbour.ts';

export interface News {
  readonly peers: readonly string[];
  /** Each of the peers is the only one of its zone that is told this early. */
  readonly forZone: boolean;
  readonly runs: readonly Run[];
}

/** Whom there is to tell, and how things stand. */
export interface NewsOccasion {
  readonly fetching: readonly Neighbour[];
  /** Where it does not exchange pieces with this node. Another one than before is told everything. */
  readonly coordinator: string | undefined;
  readonly servable: Bitfield;
  readonly isMesh: boolean;
  /** How long a piece takes to come in. */
  readonly pieceMs: number;
}

/** Tells neighbours which pieces came, in batches, and only those who lack some of them. */
export class Announcer {
  readonly #limits: DownloadLimits;
  #pieces: number[] = [];
  #toldAt = 0;
  /** What single peers are told first. */
  readonly #first = new Map<string, number[]>();
  #coordinator: string | undefined;
  /** What the coordinator was not told, when it does not exchange pieces with this node. */
  #forCoordinator: number[] = [];
  #coordinatorToldAt = 0;

  constructor(limits: DownloadLimits) {
    this.#limits = limits;
  }

  add(piece: number): void {
    this.#pieces.push(piece);
    if (this.#coordinator !== undefined) this.#forCoordinator.push(piece);
  }

  /** Tells these peers without waiting, each for its zone. */
  addFirst(piece: number, peers: readonly string[]): void {
    for (const peer of peers) {
      const pieces = this.#first.get(peer);
      if (pieces === undefined) this.#first.set(peer, [piece]);
      else pieces.push(piece);
    }
  }

  /**
   * What to tell now: soon where pieces go from one to the next and on, since each batch that waits holds up everyone behind. In a
   * mesh everyone is told of a piece by its reader, and the messages grow with the square of its members: longer ones do, the longer the
   * more they are.
   */
  news({ fetching, coordinator, servable, isMesh, pieceMs }: NewsOccasion, now: number): News[] {
    const news = this.#firstNews(fetching);
    const { leastNewsMs, mostNewsMs, meshNewsMs, meshNewsNeighbours, newsOfBlob, newsPieces, relayNewsMs } = this.#limits;
    // A blob that comes within a second is not to wait for a tenth of one each time that a piece is passed on.
    const meshMs = Math.min(meshNewsMs, Math.max(leastNewsMs, (servable.length * pieceMs) / newsOfBlob));
    const few = isMesh ? Math.min(1, fetching.length / meshNewsNeighbours) : 1;
    const interval = few * Math.max(isMesh ? meshMs : relayNewsMs, Math.min(mostNewsMs, (isMesh ? newsPieces : newsPieces / 2) * pieceMs));
    if (this.#pieces.length > 0 && fetching.length > 0 && now - this.#toldAt >= interval) {
      const lacked = this.#pieces.filter((piece) => fetching.some(({ bits }) => !bits.has(piece)));
      const peers = fetching.filter(({ bits }) => lacked.some((piece) => !bits.has(piece))).map(({ peer }) => peer);
      if (peers.length > 0) news.push({ peers, forZone: false, runs: runsOf(lacked) });
      this.#pieces = [];
      this.#toldAt = now;
    }
    if (coordinator !== this.#coordinator) {
      this.#coordinator = coordinator;
      this.#forCoordinator = [...piecesOf(servable.runs(), servable.length)];
      this.#coordinatorToldAt = Number.NEGATIVE_INFINITY;
    }
    if (coordinator === undefined || this.#forCoordinator.length === 0 || now - this.#coordinatorToldAt < this.#limits.coordinatorNewsMs)
      return news;
    news.push({ peers: [coordinator], forZone: false, runs: runsOf(this.#forCoordinator) });
    this.#forCoordinator = [];
    this.#coordinatorToldAt = now;
    return news;
  }

  #firstNews(fetching: readonly Neighbour[]): News[] {
    const news: News[] = [];
    for (const { bits, peer } of this.#first.size === 0 ? [] : fetching) {
      const lacked = this.#first.get(peer)?.filter((piece) => !bits.has(piece)) ?? [];
      if (lacked.length > 0) news.push({ peers: [peer], forZone: true, runs: runsOf(lacked) });
    }
    this.#first.clear();
    return news;
  }
}
