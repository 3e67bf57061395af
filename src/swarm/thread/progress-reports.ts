import type { Exchange } from '../exchange/exchange.ts';
import type { LaneSessions, LaneUse } from '../lane/lane-sessions.ts';
import type { ProgressReport } from './thread-protocol.ts';

/** The main thread hears this often of what goes on, while something does. */
const INTERVAL_MS = 100;

/** Tells the main thread what people ask for: how far transfers are, what went over which lane. */
export class ProgressReports {
  readonly #exchange: Exchange;
  readonly #sessions: LaneSessions;
  readonly #send: (report: ProgressReport) => void;
  readonly #timer: NodeJS.Timeout;
  #lastUses = '';
  #wasBusy = false;

  constructor(exchange: Exchange, sessions: LaneSessions, send: (report: ProgressReport) => void) {
    this.#exchange = exchange;
    this.#sessions = sessions;
    this.#send = send;
    this.#timer = setInterval(() => { this.#tick(); }, INTERVAL_MS).unref();
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
    const seen = uses.map(({ peerId, kind, sentBytes, receivedBytes }) => `${peerId} ${kind} ${sentBytes} ${receivedBytes}`).join();
    const isBusy = this.#exchange.isBusy;
    if (!isBusy && !this.#wasBusy && seen === this.#lastUses) return;
    this.#wasBusy = isBusy;
    this.#lastUses = seen;
    this.#report(uses);
  }

  #report(lanes: readonly LaneUse[]): void {
    const { fromOriginBytes, fromPeersBytes, toPeersBytes } = this.#exchange.totals();
    const transfers = this.#exchange.transfers().map((status) => ({ ...status, digest: status.digest.toString() }));
    this.#send({ transfers, fromOriginBytes, fromPeersBytes, toPeersBytes, lanes, overShare: this.#exchange.peersOverShare, wrong: [...this.#exchange.wrongPieces()] });
  }
}
