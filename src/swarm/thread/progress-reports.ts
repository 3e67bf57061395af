import type { Exchange } from '../exchange/exchange.ts';
import type { LaneSessions } from '../lane/lane-sessions.ts';
import type { LaneUse } from '../lane/lane-use.ts';
import type { ExchangeActivity } from '../swarm.ts';
import type { ProgressReport } from './thread-protocol.ts';
import type { WorkerOrigins } from './worker-origins.ts';

/** The main thread hears this often of what goes on, while something does. */
const INTERVAL_MS = 100;

/** Tells the main thread what people ask for: how far transfers are, what went over which lane. */
export class ProgressReports {
  readonly #exchange: Exchange;
  readonly #sessions: LaneSessions;
  readonly #origins: Pick<WorkerOrigins, 'hasRead' | 'takeRead'>;
  readonly #bulkStrangers: () => number;
  readonly #send: (report: ProgressReport) => void;
  readonly #timer: NodeJS.Timeout;
  #lastSeen = '';
  #wasBusy = false;

  constructor(
    exchange: Exchange,
    sessions: LaneSessions,
    origins: Pick<WorkerOrigins, 'hasRead' | 'takeRead'>,
    bulkStrangers: () => number,
    send: (report: ProgressReport) => void,
  ) {
    this.#exchange = exchange;
    this.#sessions = sessions;
    this.#origins = origins;
    this.#bulkStrangers = bulkStrangers;
    this.#send = send;
    this.#timer = setInterval(() => {
      this.#tick();
    }, INTERVAL_MS).unref();
  }

  /** At once: somebody is about to be told that a transfer ended. */
  now(): void {
    this.#report([...this.#sessions.uses()]);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const uses = [...this.#sessions.uses()];
    const { isBusy } = this.#exchange;
    const isNews = isBusy || this.#wasBusy || this.#origins.hasRead || this.#isOther(uses);
    this.#wasBusy = isBusy;
    if (isNews) this.#report(uses);
  }

  /** Than when this was asked last. */
  #isOther(uses: readonly LaneUse[]): boolean {
    const lanes = uses.map(({ peerId, kind, sentBytes, receivedBytes }) => `${peerId} ${kind} ${sentBytes} ${receivedBytes}`);
    const seen = JSON.stringify([lanes, this.#activity()]);
    const isOther = seen !== this.#lastSeen;
    this.#lastSeen = seen;
    return isOther;
  }

  #report(lanes: readonly LaneUse[]): void {
    const { fromOriginBytes, fromPeersBytes, toPeersBytes, verifiedPieces } = this.#exchange.totals();
    const transfers = this.#exchange.transfers().map((status) => ({ ...status, digest: status.digest.toString() }));
    this.#send({
      transfers,
      fromOriginBytes,
      fromPeersBytes,
      toPeersBytes,
      verifiedPieces,
      activity: this.#activity(),
      slow: this.#exchange.slowPeers(),
      lanes,
      overShare: this.#exchange.peersOverShare,
      read: this.#origins.takeRead(),
      wrong: [...this.#exchange.wrongPieces()],
    });
  }

  #activity(): ExchangeActivity {
    return { ...this.#exchange.activity(), ...this.#sessions.load, bulkStrangers: this.#bulkStrangers() };
  }
}
