import type { Logger } from '../../log.ts';
import type { Receipt } from '../../status/receipt-document.ts';
import { formatBytes } from '../../quantity.ts';
import type { PeerNames } from '../peer-names.ts';
import type { ReceiptBook } from './receipt-book.ts';
import { verdict } from './verdict.ts';

export interface PullRecorderOptions {
  readonly book: Pick<ReceiptBook, 'add'>;
  readonly peers: Pick<PeerNames, 'of'>;
  readonly onPull: (receipt: Receipt) => void;
  readonly log: Logger;
}

/** What becomes of every pull that is over, whoever asked for it: a receipt that is kept, a count, and one line in the log. */
export class PullRecorder {
  readonly #options: PullRecorderOptions;

  constructor(options: PullRecorderOptions) {
    this.#options = options;
  }

  /** Gives the receipt back as it is kept: with the names that the peers go by now. */
  readonly keep = (receipt: Receipt): Receipt => {
    const { book, peers, onPull } = this.#options;
    const peerNames = Object.fromEntries(
      Object.keys(receipt.peers).flatMap((peerId) => {
        const name = peers.of(peerId);
        return name === '' ? [] : [[peerId, name]];
      }),
    );
    const named = { ...receipt, peerNames };
    const kept = { ...named, verdict: verdict(named) };
    book.add(kept);
    onPull(kept);
    this.#say(kept);
    return kept;
  };

  #say({
    id,
    client,
    reference,
    result,
    error,
    seconds,
    bytes,
    fromOriginBytes,
    fromPeersBytes,
    fromStoreBytes,
    peers,
    stalls,
    retries,
    verdict,
  }: Receipt): void {
    const { log } = this.#options;
    const fields = {
      pull: id,
      client,
      seconds: Number(seconds.toFixed(2)),
      size: formatBytes(bytes),
      origin: formatBytes(fromOriginBytes),
      peers: formatBytes(fromPeersBytes),
      members: Object.keys(peers).length,
      here: formatBytes(fromStoreBytes),
      stalls,
      retries,
    };
    if (result === 'failed') log.warn(`the pull of ${reference} failed`, { reason: error, ...fields });
    else if (result === 'aborted') log.info(`the pull of ${reference} was given up`, { reason: error, ...fields });
    else log.info(`pulled ${reference}`, { ...fields, verdict });
  }
}
