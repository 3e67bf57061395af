import { setTimeout as delay } from 'node:timers/promises';
import { BoundedMap } from '../../bounded-map.ts';
import { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { BAN_REASONS } from '../network/ban-reasons.ts';
import type { BlobNetwork } from '../network/network.ts';
import type { BlobFetch, BlobOrigin, BlobRequest, ExchangeActivity, ExchangeTotals, Say, TransferStatus } from '../swarm.ts';
import { BlobServer } from './blob-server.ts';
import { Coordinators } from './coordinators.ts';
import { CountedHandlers, WORK } from './counted-handlers.ts';
import { ExchangeMessages } from './exchange-messages.ts';
import type { ExchangeStore } from './exchange-store.ts';
import { FetchLog } from './fetch-log.ts';
import { PeerRates, type SlowPeer } from './peer-rates.ts';
import { PeerWork } from './peer-work.ts';
import type { SharedDebts } from '../shared-debts.ts';
import { Strikes } from './strikes.ts';
import { Transfer } from './transfer.ts';
import type { TransferContext } from './transfer-context.ts';

/** A transfer that nobody waits for any more goes on for this long: a client that was cut off comes back for the rest. */
const LINGER_MS = 30_000;
const SWEEP_MS = 10_000;
/** Transfers that are over, kept for status. */
const MAX_FINISHED = 50;
/** Peers whose wrong pieces are counted. */
const MAX_WRONG = 1000;

export interface ExchangeOptions {
  readonly network: BlobNetwork;
  readonly store: ExchangeStore;
  /** The origin that the swarm uses now; undefined while none is known. */
  origin(): BlobOrigin | undefined;
  /** Whether members may have this blob; false for those of excluded repositories only. */
  mayShare?(blob: Digest): Promise<boolean> | boolean;
  readonly say?: Say;
  /** What peers make the threads of this node do; of this one alone without it. */
  readonly work?: SharedDebts;
  /** Told of each strike against a member. */
  readonly onStrike?: (member: string, at: number) => void;
  /** This node's own: members of it are asked first. */
  readonly zone?: string;
  readonly now?: () => number;
  readonly random?: () => number;
}

interface Active {
  readonly transfer: Transfer;
  interested: number;
  linger: NodeJS.Timeout | undefined;
}

/** A request as this thread is told it. */
export interface ExchangeRequest extends BlobRequest {
  /** Whoever asks has looked: the store does not have it. */
  readonly isAbsent?: boolean;
}

/** A fetch as this thread has it. */
export type ExchangeFetch = Omit<BlobFetch, 'read'>;

/** The blobs of this node among its peers: fetches missing ones, serves those it has, and answers who has what. */
export class Exchange {
  readonly #options: ExchangeOptions;
  readonly #context: TransferContext;
  readonly #active = new Map<string, Active>();
  readonly #finished: TransferStatus[] = [];
  readonly #wrong = new BoundedMap<string, number>(MAX_WRONG);
  /** What lanes serve. */
  readonly server: BlobServer;
  readonly #sweeper: NodeJS.Timeout;
  readonly #work: PeerWork;
  readonly #handlers: CountedHandlers;
  /** Where somebody reads it. */
  readonly #log: FetchLog | undefined;
  readonly #unsubscribe: (() => void)[] = [];
  readonly #totals: Omit<ExchangeTotals, 'vouchedBytes'> = { fromOriginBytes: 0, fromPeersBytes: 0, toPeersBytes: 0, verifiedPieces: 0 };
  #closed = false;

  constructor(options: ExchangeOptions) {
    const { network, store } = options;
    const now = options.now ?? Date.now;
    this.#options = options;
    const log = options.say === undefined ? undefined : new FetchLog(options.say);
    this.#log = log;
    const sent = (peerId: string, blob: Digest, bytes: number): void => {
      this.#totals.toPeersBytes += bytes;
      log?.sent(peerId, blob.toString(), bytes);
    };
    const strikes = new Strikes(options.onStrike);
    this.#work = new PeerWork({
      now,
      debts: options.work,
      cut: (peerId, until) => {
        network.ban(peerId, BAN_REASONS.overShare, until);
      },
    });
    this.#handlers = new CountedHandlers(network, this.#work);
    const { handle } = this.#handlers;
    const coordinators = new Coordinators({
      handle,
      network,
      now,
      strikes,
      random: options.random ?? Math.random,
      crowd: (blob, layout) => this.#active.get(blob)?.transfer.fetchers(layout) ?? [],
      say: options.say,
      granted:
        log === undefined
          ? undefined
          : (...grant) => {
              log.granted(...grant);
            },
    });
    this.#context = {
      network,
      store,
      coordinators,
      rates: new PeerRates(now),
      say: options.say,
      origin: () => options.origin(),
      now,
      random: options.random ?? Math.random,
      zone: options.zone,
      strikes,
      proven: (pieces) => {
        this.#totals.verifiedPieces += pieces;
      },
      broughtWrong: (peer, pieces) => {
        this.#countWrong(peer, pieces);
      },
    };
    this.server = new BlobServer({
      network,
      store,
      transfer: (blob) => this.#active.get(blob.toString())?.transfer,
      mayShare: (blob) => this.#mayShare(blob),
      sent,
      // The store was asked, which is on another thread.
      missed: async (peerId) => {
        const waitMs = this.#work.take(peerId, WORK.lookUp);
        if (waitMs > 0) await delay(waitMs);
      },
    });
    network.setLaneSource(this.server);
    new ExchangeMessages({
      network,
      store,
      coordinators,
      server: this.server,
      log,
      transfer: (blob) => this.#active.get(blob)?.transfer,
      mayShare: (blob) => this.#mayShare(blob),
    }).register(handle);
    this.#unsubscribe.push(network.onPeer((event, { peerId }) => this.#onPeer(event, peerId)));
    this.#sweeper = setInterval(() => coordinators.sweep(), SWEEP_MS).unref();
  }

  fetch(request: ExchangeRequest): ExchangeFetch {
    if (this.#closed) throw new LayerswarmError('unavailable', 'this node is stopping');
    const key = request.digest.toString();
    let active = this.#active.get(key);
    if (active === undefined || active.transfer.state === 'failed' || active.transfer.state === 'done')
      active = this.#begin(request, active?.transfer);
    else active.transfer.joinedBy(request);
    active.interested++;
    clearTimeout(active.linger);
    return this.#handle(active);
  }

  /** Another thread counted a strike. */
  struck(member: string, at: number): void {
    this.#context.strikes.heard(member, at);
  }

  /** Something is under way. */
  get isBusy(): boolean {
    return this.#active.size > 0;
  }

  transfers(): readonly TransferStatus[] {
    const running = [...this.#active.values()].map(({ transfer }) => transfer.status());
    return [...running, ...this.#finished];
  }

  totals(): Readonly<Omit<ExchangeTotals, 'vouchedBytes'>> {
    const totals = { ...this.#totals };
    for (const { transfer } of this.#active.values()) addBytes(totals, transfer.status());
    return totals;
  }

  /** Members that give far less than others do. */
  slowPeers(): readonly SlowPeer[] {
    return this.#context.rates.slow();
  }

  activity(): Pick<ExchangeActivity, 'leases' | 'reads' | 'coordinated'> {
    const reads = [...this.#active.values()].reduce((sum, { transfer }) => sum + transfer.reads, 0);
    const { blobs: coordinated, leases } = this.#context.coordinators;
    return { leases, reads, coordinated };
  }

  /** Pieces of the peer that turned out wrong since start. */
  badPieces(peerId: string): number {
    return this.#wrong.get(peerId) ?? 0;
  }

  /** The same of all peers. */
  wrongPieces(): Iterable<readonly [string, number]> {
    return this.#wrong;
  }

  /** Peers that were cut for making this node work more than their share. */
  get peersOverShare(): number {
    return this.#work.cuts;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweeper);
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    const reason = new LayerswarmError('aborted', 'this node is stopping');
    await Promise.all(
      [...this.#active.values()].map(async ({ transfer, linger }) => {
        clearTimeout(linger);
        await transfer.stop(reason);
      }),
    );
    await this.server.close();
    this.#handlers.close();
  }

  /** @param former what held the blob before: nobody may have its file while it is being closed */
  #begin(request: ExchangeRequest, former: Transfer | undefined): Active {
    const key = request.digest.toString();
    const transfer = new Transfer(this.#context, request);
    const active: Active = { transfer, interested: 0, linger: undefined };
    this.#active.set(key, active);
    transfer.start(former?.over(), request.isAbsent === true);
    void this.#watch(key, active);
    return active;
  }

  async #watch(key: string, active: Active): Promise<void> {
    await active.transfer.over();
    const status = active.transfer.status();
    addBytes(this.#totals, status);
    this.#finished.unshift(status);
    this.#finished.length = Math.min(this.#finished.length, MAX_FINISHED);
    if (this.#active.get(key) === active) this.#active.delete(key);
  }

  #handle(active: Active): ExchangeFetch {
    const { transfer } = active;
    const release = (): void => {
      if (--active.interested > 0) return;
      active.linger = setTimeout(() => {
        if (transfer.state === 'done') return;
        void transfer.stop(new LayerswarmError('aborted', `nobody waits for ${transfer.digest.toString()} any more`));
      }, LINGER_MS).unref();
    };
    let released = false;
    return {
      digest: transfer.digest,
      size: () => transfer.size(),
      done: () => transfer.done(),
      vouchedPiece: async (offset, wanted) => {
        if (wanted !== undefined) await transfer.bring(offset, wanted);
        return await transfer.vouchedPiece(offset);
      },
      progress: () => transfer.status(),
      release: () => {
        if (!released) release();
        released = true;
      },
    };
  }

  #countWrong(peer: string, pieces: number): void {
    this.#wrong.set(peer, this.badPieces(peer) + pieces);
  }

  #mayShare(blob: Digest): Promise<boolean> | boolean {
    return this.#options.mayShare?.(blob) ?? true;
  }

  #onPeer(event: 'joined' | 'left', peerId: string): void {
    for (const { transfer } of this.#active.values()) {
      if (event === 'joined') transfer.crowd.onPeerJoined(peerId);
      else transfer.crowd.onPeerLeft(peerId);
    }
    if (event === 'joined') return;
    this.server.forget(peerId);
    this.#log?.forget(peerId);
    this.#work.forget(peerId);
    this.#handlers.forget(peerId);
  }
}

function addBytes(totals: Omit<ExchangeTotals, 'vouchedBytes'>, status: TransferStatus): void {
  totals.fromOriginBytes += status.fromOriginBytes;
  for (const bytes of status.fromPeers.values()) totals.fromPeersBytes += bytes;
}
