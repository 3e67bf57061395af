import { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { someoneHas, wholeHolders } from '../exchange/lookup.ts';
import type { SlowPeer } from '../exchange/peer-rates.ts';
import { addUses, type LaneUse } from '../lane/lane-use.ts';
import type { ByteRange } from '../lane/lane.ts';
import { threadOf } from '../lane/route.ts';
import { newSharedSlots } from '../lane/upload-slots.ts';
import type { MemberStreams } from '../network/member-streams.ts';
import type { Network } from '../network/network.ts';
import type { Holding, Message, MessageOf } from '../protocol/message.ts';
import type { BlobExchange, BlobFetch, BlobRequest, ExchangeActivity, ExchangeTotals, TransferStatus } from '../swarm.ts';
import { SharedDebts } from '../shared-debts.ts';
import { BulkThread, type BulkThreadOptions } from './bulk-thread.ts';

export interface BulkThreadsOptions extends Omit<BulkThreadOptions, 'streams'> {
  /** Says how many threads there are: as many as members are told. */
  readonly streams: MemberStreams;
}

/**
 * The threads that have the transfers of blobs, each blob in one of them, by its digest. What members say about a blob goes to its thread;
 * lanes lead from thread to thread, and all threads share the bulk port.
 */
export class BulkThreads implements BlobExchange {
  readonly #options: BulkThreadsOptions;
  readonly #threads: readonly BulkThread[];
  readonly #unsubscribe: () => void;

  private constructor(options: BulkThreadsOptions, threads: readonly BulkThread[]) {
    this.#options = options;
    this.#threads = threads;
    const { network, streams } = options;
    this.#handleMessages(network);
    streams.onOpened = (route, thread, transport) => {
      this.#threads[thread]!.accept(route, transport);
    };
    this.#unsubscribe = options.blobs.onChange(({ kind, digest }) => {
      if (!options.mayShare(digest)) return;
      if (kind === 'added') network.provide(digest.toString());
      else network.unprovide(digest.toString());
    });
  }

  /** @throws `port-taken`, `config-invalid` */
  static async start(options: BulkThreadsOptions): Promise<BulkThreads> {
    const { threads } = options.streams;
    const uses: (readonly LaneUse[])[] = Array.from({ length: threads }, () => []);
    const optionsOf = (thread: number): BulkThreadOptions => ({
      ...options,
      onLanes: (its) => {
        uses[thread] = its;
        options.onLanes?.(addUses(uses.flat()));
      },
    });
    const shared = { work: new SharedDebts().memory, slots: newSharedSlots(threads) };
    const running = new Map<number, BulkThread>();
    const start = async (thread: number, port?: Promise<number | undefined>): Promise<BulkThread> => {
      const started = await BulkThread.start(optionsOf(thread), {
        thread,
        threads,
        shared,
        ...(port === undefined ? {} : { port }),
        onStrike: (member, at) => {
          for (const [other, its] of running) if (other !== thread) its.struck(member, at);
        },
      });
      running.set(thread, started);
      return started;
    };
    const first = start(0);
    const port = first.then((thread) => thread.port);
    // Whoever waits is told; with one thread nobody does.
    port.catch(() => undefined);
    const all = [first, ...Array.from({ length: threads - 1 }, async (_, i) => await start(i + 1, port))];
    try {
      return new BulkThreads(options, await Promise.all(all));
    } catch (error) {
      await Promise.allSettled(all);
      await Promise.all(
        Array.from(running.values(), async (thread) => {
          await thread.kill();
        }),
      );
      throw error;
    }
  }

  /** Of the bulk port. */
  get port(): number | undefined {
    return this.#threads[0]!.port;
  }

  fetch(request: BlobRequest): BlobFetch {
    return this.#of(request.digest.toString()).fetch(request);
  }

  /** As `BulkThread.readMember`. */
  readMember(peerId: string, digest: Digest, range: ByteRange, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    return this.#of(digest.toString()).readMember(peerId, digest, range, signal);
  }

  /** Blobs that members read and nobody reads just now are closed, so that they can be evicted. Never throws. */
  async closeIdle(): Promise<void> {
    await Promise.all(
      this.#threads.map(async (thread) => {
        await thread.closeIdle();
      }),
    );
  }

  async findable(digest: Digest, signal: AbortSignal): Promise<boolean> {
    return this.#options.blobs.size(digest) !== undefined || (await someoneHas(this.#options.network, digest, signal));
  }

  async *readHeld(digest: Digest, { start, end }: ByteRange, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    let at = start;
    let cause: unknown;
    for await (const peerId of wholeHolders(this.#options.network, digest, signal)) {
      try {
        for await (const bytes of this.readMember(peerId, digest, { start: at, end }, signal)) {
          yield bytes;
          at += bytes.length;
        }
        return;
      } catch (error) {
        if (signal.aborted) throw error;
        cause = error;
      }
    }
    throw new LayerswarmError('not-found', `no member gives ${digest.toString()}`, { cause });
  }

  /** Those under way, then those that ended. */
  transfers(): readonly TransferStatus[] {
    const transfers = this.#threads.flatMap((thread) => thread.progress.transfers());
    return this.#threads.length === 1
      ? transfers
      : [...transfers.filter((transfer) => !isOver(transfer)), ...transfers.filter(isOver).sort((a, b) => b.startedAt - a.startedAt)];
  }

  totals(): Readonly<ExchangeTotals> {
    const sum = (key: keyof ExchangeTotals): number => this.#sum((thread) => thread.progress.totals()[key]);
    return {
      verifiedPieces: sum('verifiedPieces'),
      fromOriginBytes: sum('fromOriginBytes'),
      fromPeersBytes: sum('fromPeersBytes'),
      toPeersBytes: sum('toPeersBytes'),
      vouchedBytes: sum('vouchedBytes'),
    };
  }

  /** Members that give far less than others do. */
  slowPeers(): readonly SlowPeer[] {
    return [...new Map(this.#threads.flatMap((thread) => thread.progress.slowPeers().map((slow) => [slow.peerId, slow]))).values()];
  }

  activity(): ExchangeActivity {
    const sum = (key: keyof ExchangeActivity): number => this.#sum((thread) => thread.progress.activity()[key]);
    return {
      leases: sum('leases'),
      reads: sum('reads'),
      sending: sum('sending'),
      waiting: sum('waiting'),
      coordinated: sum('coordinated'),
      bulkStrangers: sum('bulkStrangers'),
    };
  }

  /** Pieces of the peer that turned out wrong since start. */
  badPieces(peerId: string): number {
    return this.#sum((thread) => thread.progress.badPieces(peerId));
  }

  /** Peers that were cut since start for making this node work more than their share. */
  get peersOverShare(): number {
    return this.#sum((thread) => thread.progress.peersOverShare);
  }

  /** Ends all transfers, the lanes and the port. */
  async close(): Promise<void> {
    this.#unsubscribe();
    await Promise.all(
      this.#threads.map(async (thread) => {
        await thread.close();
      }),
    );
  }

  /** Ends the threads as they are. */
  async kill(): Promise<void> {
    this.#unsubscribe();
    await Promise.all(
      this.#threads.map(async (thread) => {
        await thread.kill();
      }),
    );
  }

  #handleMessages(network: Network): void {
    network.handle('find', async (message, { peerId }) => await this.#find(message, peerId));
    network.handle('join', async (message, { peerId }) => await this.#of(message.holding.blob).message(peerId, message));
    network.handle('leave', async (message, { peerId }) => await this.#of(message.blob).message(peerId, message));
    network.handle('bulk-open', async (message, { peerId }) => await this.#numbered(message.to).message(peerId, message));
    network.handle('bulk-dial', async (message, { peerId }) => await this.#numbered(message.to).message(peerId, message));
  }

  /** Each thread says what it knows of its own blobs. */
  async #find(message: MessageOf<'find'>, from: string): Promise<Message | undefined> {
    const asked = Map.groupBy(message.blobs, (blob) => this.#of(blob));
    if (asked.size === 1) return await this.#of(message.blobs[0]!).message(from, message);
    const answers = await Promise.all(Array.from(asked, async ([thread, blobs]) => await thread.message(from, { ...message, blobs })));
    const found = new Map(
      answers.flatMap((answer): Holding[] => (answer?.type === 'found' ? answer.holdings : [])).map((holding) => [holding.blob, holding]),
    );
    return { type: 'found', holdings: message.blobs.flatMap((blob) => found.get(blob) ?? []) };
  }

  #of(blob: string): BulkThread {
    return this.#threads[threadOf(blob, this.#threads.length)]!;
  }

  /** @throws `unsupported` */
  #numbered(thread: number): BulkThread {
    const numbered = this.#threads[thread];
    if (numbered === undefined) throw new LayerswarmError('unsupported', `this node has ${this.#threads.length} bulk threads`);
    return numbered;
  }

  #sum(of: (thread: BulkThread) => number): number {
    return this.#threads.reduce((sum, thread) => sum + of(thread), 0);
  }
}

function isOver({ state }: TransferStatus): boolean {
  return state === 'done' || state === 'failed';
}
