import { errorCode, type LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { PartialBlob } from '../../store/blob-store.ts';
import type { LaneAnswer } from '../lane/lane.ts';
import type { Holding } from '../protocol/message.ts';
import type { BlobRequest, Say, TransferStatus, WantedPart } from '../swarm.ts';
import { BlobSources } from './blob-sources.ts';
import type { CrowdMember } from './core/lease-table.ts';
import { PieceLayout } from './core/piece-layout.ts';
import { ActiveDownload } from './active-download.ts';
import { OriginAccess } from './origin-access.ts';
import { makeStrip } from './core/strip.ts';
import { Settlements } from './settlements.ts';
import type { Statement } from './statement.ts';
import { TransferCrowd } from './transfer-crowd.ts';
import type { TransferContext } from './transfer-context.ts';
import { TransferMeter } from './transfer-meter.ts';
import { UnfinishedBlob } from './unfinished-blob.ts';

type State =
  | { readonly kind: 'finding' }
  | { readonly kind: 'fetching'; readonly partial: PartialBlob; readonly active: ActiveDownload }
  | { readonly kind: 'verifying'; readonly partial: PartialBlob; readonly active: ActiveDownload }
  /** Proven and in the store. */
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly error: unknown };

/** One blob on its way to this node. Ends with the blob proven in the store, or with an error and the partial blob kept. */
export class Transfer {
  readonly digest: Digest;
  readonly repository: string;
  #shared: boolean;
  readonly meter: TransferMeter;
  readonly crowd: TransferCrowd;
  readonly #context: TransferContext;
  readonly #sources: BlobSources;
  readonly #origin: OriginAccess;
  readonly #abort = new AbortController();
  readonly #sized = Promise.withResolvers<number>();
  readonly #done = Promise.withResolvers<void>();
  /** There are pieces, or nothing more to wait for. */
  readonly #begun = Promise.withResolvers<void>();
  readonly #over = Promise.withResolvers<void>();
  #state: State = { kind: 'finding' };
  #size: number | undefined;
  #isOver = false;
  /** Of a download that is over. */
  #strip: Uint8Array | undefined;
  readonly #say: Say | undefined;
  readonly #settlements = new Settlements();

  constructor(context: TransferContext, request: BlobRequest) {
    this.#context = context;
    this.digest = request.digest;
    this.repository = request.repository;
    this.#shared = request.shared !== false;
    this.meter = new TransferMeter(context.now);
    const { say } = context;
    this.#say =
      say === undefined ? undefined : (message, fields) => say(message, { pull: request.pull, blob: this.digest.toString(), ...fields });
    this.#sources = new BlobSources(() => context.origin());
    this.#sources.add(request);
    this.#origin = new OriginAccess(() => (this.#sources.isKnown ? this.#sources : undefined), context.now);
    this.crowd = new TransferCrowd({
      context,
      request,
      sources: this.#sources,
      origin: this.#origin,
      say: this.#say,
      signal: this.#abort.signal,
      holding: () => this.holding(),
      active: () => this.#active(),
      isJoining: () => this.#isJoining,
    });
    // Whoever waits is told through these; a transfer that nobody waits for any more may fail in silence.
    this.#done.promise.catch(() => undefined);
    this.#sized.promise.catch(() => undefined);
  }

  /** Members are asked, and told. */
  get shared(): boolean {
    return this.#shared;
  }

  get state(): State['kind'] {
    return this.#state.kind;
  }

  size(): Promise<number> {
    return this.#sized.promise;
  }

  done(): Promise<void> {
    return this.#done.promise;
  }

  /** Resolves when nothing goes on any more. */
  over(): Promise<void> {
    return this.#over.promise;
  }

  /** Not at its end, nor ended. */
  get isUnderWay(): boolean {
    return this.#state.kind !== 'done' && this.#state.kind !== 'failed';
  }

  /**
   * @param former resolves when nobody else has the blob's file any more
   * @param isAbsent whoever asks has looked: the store does not have it
   */
  start(former: Promise<void> | undefined, isAbsent: boolean): void {
    this.#run(former, isAbsent).catch((error: unknown) => this.#fail(error));
  }

  /** Another caller takes part: what the first one may not read at the origin, or ask of members, it may. */
  joinedBy(request: BlobRequest): void {
    if (request.shared !== false && !this.#shared) {
      this.#shared = true;
      if (this.#isJoining) this.crowd.joins.start();
    }
    if (!this.#sources.add(request)) return;
    this.#origin.renewed();
    this.#active()?.wake();
  }

  /** Stops; what is here stays as a partial blob. */
  async stop(reason: LayerswarmError): Promise<void> {
    this.#fail(reason);
    await this.over();
  }

  status(): TransferStatus {
    const state = this.#state;
    const whole = state.kind === 'done' ? (this.#size ?? 0) : 0;
    const moved = this.meter.snapshot();
    return {
      digest: this.digest,
      repository: this.repository,
      sizeBytes: this.#size,
      haveBytes: 'partial' in state ? state.partial.haveBytes() : whole,
      state: state.kind,
      ...moved,
      strip: this.#active()?.strip(moved.fromPeers.keys()) ?? this.#strip,
    };
  }

  /** What this node tells others that it has. */
  holding(): Holding {
    const blob = this.digest.toString();
    const active = this.#active();
    if (active === undefined) return { blob, state: 'none' };
    const { size, pieceLength } = active.download.layout;
    return { blob, state: 'partial', size, pieceLength, bits: Uint8Array.from(active.download.servable.toBytes()) };
  }

  /** Those who fetch the blob in pieces of the same kind, this node among them, as far as it knows. */
  fetchers(layout: PieceLayout): readonly CrowdMember[] {
    return this.#active()?.crowd(layout) ?? [];
  }

  /** Bytes from `offset` to the end of its piece while the blob is not proven, where they are vouched for. */
  async vouchedPiece(offset: number): Promise<Buffer | undefined> {
    return this.#state.kind === 'fetching' ? await this.#state.active.vouchedPiece(offset) : undefined;
  }

  /** As `OutOfTurn.bring`, once there are pieces to ask for. */
  async bring(start: number, wanted: WantedPart): Promise<void> {
    await this.#begun.promise;
    await this.#active()?.bring(start, wanted);
  }

  /** Extents that are being read. */
  get reads(): number {
    return this.#active()?.download.reading ?? 0;
  }

  // Lanes

  /** As `DownloadIo.serve`. */
  serve(start: number, end: number): LaneAnswer | undefined {
    return this.#active()?.io.serve(start, end);
  }

  async lookAgain(piece: number): Promise<Statement | undefined> {
    return await this.#active()?.verifier.lookAgain(piece);
  }

  // The run

  async #run(former: Promise<void> | undefined, isAbsent: boolean): Promise<void> {
    await former;
    const { store } = this.#context;
    const here = isAbsent && former === undefined ? undefined : await store.size(this.digest);
    if (this.#state.kind !== 'finding') return;
    if (here !== undefined) {
      this.#foundSize(here);
      await this.#finish();
      return;
    }
    if (this.shared) {
      if (await this.#findSmall()) return;
      this.crowd.joins.start();
    }
    const size = await this.crowd.finding.size();
    if (this.#state.kind !== 'finding') return;
    this.#foundSize(size);
    if (size === 0) await this.#writeWhole(new Uint8Array());
    else await this.#begin(new PieceLayout(size));
  }

  /** finding -> fetching */
  async #begin(layout: PieceLayout): Promise<void> {
    const { network, store } = this.#context;
    const partial = await store.openPartial(this.digest, layout.size, layout.pieceLength);
    if (this.#state.kind !== 'finding') {
      await partial.close();
      return;
    }
    this.#say?.('fetching a blob', { bytes: layout.size, pieces: layout.pieceCount, here: partial.haveBytes() });
    const wanted = { digest: this.digest, repository: this.repository, origin: this.#origin, meter: this.meter, say: this.#say };
    const active = new ActiveDownload(this.#context, new UnfinishedBlob(wanted, partial, layout), this.crowd.joins, {
      hashed: () => {
        this.#prove().catch((error: unknown) => this.#fail(error));
      },
      starved: () => this.#fail(this.crowd.finding.nobodyHelps()),
      failed: (error) => this.#fail(error),
      lessThanSaid: () => {
        for (const peerId of active.download.neighbours.keys())
          network.send(peerId, { type: 'join', holding: this.holding(), wants: true });
      },
    });
    this.#state = { kind: 'fetching', partial, active };
    this.crowd.begun();
    active.wake();
    this.#begun.resolve();
    await active.advance();
  }

  /** fetching -> verifying -> done, or back to fetching when pieces had to be thrown away. */
  async #prove(): Promise<void> {
    if (this.#state.kind !== 'fetching') return;
    const { partial, active } = this.#state;
    this.#state = { kind: 'verifying', partial, active };
    while (partial.verdict !== true) {
      this.#settlements.begin(this.digest);
      const { suspicions } = active.verifier;
      await active.verifier.settle();
      this.#settlements.ended(active.verifier.suspicions > suspicions);
      if (partial.haveBytes() < partial.size) {
        this.#state = { kind: 'fetching', partial, active };
        active.wake();
        return;
      }
      await partial.advance();
    }
    await active.verifier.proven();
    active.close();
    await partial.commit();
    this.#strip = active.strip(this.meter.snapshot().fromPeers.keys());
    this.#context.proven(active.download.layout.pieceCount);
    await this.#finish();
  }

  async #findSmall(): Promise<boolean> {
    const found = await this.crowd.finding.small();
    if (found === undefined || this.#state.kind !== 'finding') return false;
    this.#foundSize(found.bytes.length);
    this.meter.fromPeer(found.peer, found.bytes.length);
    this.#strip = makeStrip(1, () => ({ peer: found.peer }), [found.peer]);
    await this.#writeWhole(found.bytes);
    return true;
  }

  get #isJoining(): boolean {
    return this.shared && (this.#state.kind === 'finding' || this.#state.kind === 'fetching');
  }

  async #writeWhole(bytes: Uint8Array): Promise<void> {
    await this.#context.store.write(bytes, this.digest);
    this.#context.proven(1);
    await this.#finish();
  }

  #foundSize(size: number): void {
    this.#size = size;
    this.#sized.resolve(size);
  }

  /** The blob is in the store: tells who waits here, and the members, who have it from there from now on. */
  async #finish(): Promise<void> {
    const { coordinators, network } = this.#context;
    const blob = this.digest.toString();
    this.#state = { kind: 'done' };
    this.meter.finished();
    this.#sayEnd('a blob is proven', undefined);
    coordinators.heard(blob, network.self, 'complete');
    if (this.shared) for (const { peerId } of network.peers()) network.send(peerId, { type: 'leave', blob, complete: true });
    this.#done.resolve();
    await this.#end();
  }

  #fail(error: unknown): void {
    if (this.#state.kind === 'done' || this.#state.kind === 'failed') return;
    const { network } = this.#context;
    const partial = 'partial' in this.#state ? this.#state.partial : undefined;
    const active = this.#active();
    this.#strip = active?.strip(this.meter.snapshot().fromPeers.keys());
    active?.close();
    this.#state = { kind: 'failed', error };
    this.#sayEnd('a blob is given up', error);
    this.#sized.reject(error);
    this.#done.reject(error);
    if (this.shared)
      for (const { peerId } of network.peers()) network.send(peerId, { type: 'leave', blob: this.digest.toString(), complete: false });
    void this.#end(partial);
  }

  #sayEnd(message: string, error: unknown): void {
    if (this.#say === undefined) return;
    const { fromOriginBytes, fromPeers, startedAt } = this.meter.snapshot();
    this.#say(message, {
      fromOrigin: fromOriginBytes,
      fromPeers: [...fromPeers.values()].reduce((sum, bytes) => sum + bytes, 0),
      peers: fromPeers.size,
      ms: this.#context.now() - startedAt,
      reason: error === undefined ? undefined : error instanceof Error ? error.message : errorCode(error),
    });
  }

  async #end(partial?: PartialBlob): Promise<void> {
    if (this.#isOver) return;
    this.#begun.resolve();
    const active = this.#active();
    this.#isOver = true;
    this.#abort.abort();
    active?.close();
    try {
      await partial?.close();
    } catch {
      // It has failed as it is, also where its file cannot even be closed.
    }
    this.#over.resolve();
  }

  #active(): ActiveDownload | undefined {
    return 'active' in this.#state && !this.#isOver ? this.#state.active : undefined;
  }
}
