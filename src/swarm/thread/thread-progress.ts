import { Digest } from '../../oci/digest.ts';
import type { SlowPeer } from '../exchange/peer-rates.ts';
import type { ExchangeActivity, ExchangeTotals, TransferStatus } from '../swarm.ts';
import type { ProgressReport } from './thread-protocol.ts';

/** Before a thread has said anything. */
const NOTHING_YET: ProgressReport = {
  transfers: [],
  fromOriginBytes: 0,
  fromPeersBytes: 0,
  toPeersBytes: 0,
  verifiedPieces: 0,
  activity: { leases: 0, reads: 0, sending: 0, waiting: 0, coordinated: 0, bulkStrangers: 0 },
  slow: [],
  lanes: [],
  overShare: 0,
  read: [],
  wrong: [],
};

/** What a bulk thread last said of its work, with the sums of those that died before it. */
export class ThreadProgress {
  /** Given to clients before the whole blob was proven; counted in this thread. */
  vouchedBytes = 0;
  #report = NOTHING_YET;
  #transfers: readonly TransferStatus[] = [];
  /** Of threads that died. */
  #before = { fromOriginBytes: 0, fromPeersBytes: 0, toPeersBytes: 0, verifiedPieces: 0, overShare: 0 };

  take(report: ProgressReport): void {
    this.#report = report;
    this.#transfers = report.transfers.map((status) => ({ ...status, digest: Digest.parse(status.digest) }));
  }

  /** The thread has ended, and its transfers with it. */
  ended(): void {
    const { fromOriginBytes, fromPeersBytes, toPeersBytes, verifiedPieces } = this.totals();
    this.#before = { fromOriginBytes, fromPeersBytes, toPeersBytes, verifiedPieces, overShare: this.peersOverShare };
    this.#report = NOTHING_YET;
    this.#transfers = [];
  }

  transfers(): readonly TransferStatus[] {
    return this.#transfers;
  }

  /** Of one blob: the one under way, or the last that ended. */
  transfer(digest: Digest): TransferStatus | undefined {
    return this.#transfers.find((transfer) => transfer.digest.equals(digest));
  }

  totals(): Readonly<ExchangeTotals> {
    const { fromOriginBytes, fromPeersBytes, toPeersBytes, verifiedPieces } = this.#report;
    return {
      fromOriginBytes: this.#before.fromOriginBytes + fromOriginBytes,
      fromPeersBytes: this.#before.fromPeersBytes + fromPeersBytes,
      toPeersBytes: this.#before.toPeersBytes + toPeersBytes,
      verifiedPieces: this.#before.verifiedPieces + verifiedPieces,
      vouchedBytes: this.vouchedBytes,
    };
  }

  /** Members that give far less than others do. */
  slowPeers(): readonly SlowPeer[] {
    return this.#report.slow.filter(({ until }) => until > Date.now());
  }

  activity(): ExchangeActivity {
    return this.#report.activity;
  }

  /** Pieces of the peer that turned out wrong since start. */
  badPieces(peerId: string): number {
    return this.#report.wrong.find(([peer]) => peer === peerId)?.[1] ?? 0;
  }

  /** Peers that were cut since start for making this node work more than their share. */
  get peersOverShare(): number {
    return this.#before.overShare + this.#report.overShare;
  }
}
