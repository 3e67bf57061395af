import type { Logger } from '../../log.ts';
import type { Receipt } from '../../status/receipt-document.ts';
import type { StatusDocument } from '../../status/status-document.ts';
import type { ExchangeTotals, TransferStatus } from '../../swarm/swarm.ts';
import type { PeerNetwork } from '../../swarm/network/network.ts';
import { every } from '../schedule.ts';
import type { JobBoard } from './job-board.ts';
import { RateMeter } from './rate-meter.ts';
import type { MaySee } from './summary.ts';
import { SummaryService } from './summary-service.ts';
import { SwarmWatch } from './swarm-watch.ts';
import { TrafficHistory } from './traffic-history.ts';

/** The counters are looked at this often: a minute of the last hour is as exact as that. */
const LOOK_MS = 10_000;
const SAVE_MS = 60_000;

export interface SwarmViewParts {
  readonly data: string;
  readonly network: PeerNetwork;
  readonly exchange: { transfers(): readonly TransferStatus[]; totals(): Readonly<ExchangeTotals> };
  readonly status: () => StatusDocument;
  readonly receipts: () => readonly Receipt[];
  /** Of a full repository name. */
  readonly isExcluded: (repository: string) => boolean;
  readonly mayShare: (transfer: TransferStatus) => boolean;
  readonly jobs: JobBoard;
  readonly log: Logger;
}

export interface SwarmView extends AsyncDisposable {
  readonly watch: SwarmWatch;
}

/** What this node tells of itself, and what it shows of the swarm. */
export async function makeSwarmView({
  data,
  network,
  exchange,
  status,
  receipts,
  isExcluded,
  mayShare,
  jobs,
  log,
}: SwarmViewParts): Promise<SwarmView> {
  const history = await TrafficHistory.open(data, Date.now);
  const rates = new RateMeter(() => performance.now());
  const count = (): void => {
    history.look(exchange.totals());
  };
  const maySee: MaySee = { reference: (reference) => !isExcluded(repositoryOf(reference)), blob: mayShare };
  const service = new SummaryService({
    network,
    receipts,
    maySee,
    now: () => performance.now(),
    facts: () => {
      count();
      const { fromOriginBytes, fromPeersBytes, toPeersBytes } = exchange.totals();
      const counters = new Map([
        ['origin', fromOriginBytes],
        ['peers', fromPeersBytes],
        ['sent', toPeersBytes],
        ...network.peers().map(({ peerId, receivedBytes }): [string, number] => [peerId, receivedBytes]),
      ]);
      return {
        status: status(),
        transfers: exchange.transfers(),
        receipts: receipts(),
        today: history.today,
        hour: history.hour,
        jobs: jobs.list(),
        rates: rates.look(counters),
      };
    },
  });
  const watch = new SwarmWatch({ network, status: () => service.status(), own: () => service.own(), ownPull: (id) => service.ownPull(id) });
  const counting = every(LOOK_MS, 'later', () => {
    count();
    return Promise.resolve();
  });
  const saving = every(SAVE_MS, 'later', () => history.save(data, log));
  return {
    watch,
    async [Symbol.asyncDispose]() {
      watch[Symbol.dispose]();
      await Promise.all([counting[Symbol.asyncDispose](), saving[Symbol.asyncDispose]()]);
      count();
      await history.save(data, log);
    },
  };
}

/** `registry/repository` of a reference with a tag, a digest or both. */
function repositoryOf(reference: string): string {
  return reference.replace(/@.*$/, '').replace(/:[^/:]*$/, '');
}
