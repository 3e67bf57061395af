import { errorCode, LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Origin } from '../../origin/origin.ts';
import { Grade, type BlobReader, type BlobStore, type PartialBlob } from '../../store/blob-store.ts';
import type { PushReceiver } from '../lane/lane.ts';
import type { Network } from '../network/network.ts';
import { MAX_INLINE_BYTES, type Holding, type MessageOf } from '../protocol/message.ts';
import type { BlobRequest, TransferStatus } from '../swarm.ts';
import type { Coordinators } from './coordinators.ts';
import { Bitfield, type Run } from './core/bitfield.ts';
import { Download, type Command, type Read } from './core/download.ts';
import type { Fetch, NeighbourRole } from './core/neighbour.ts';
import { PieceLayout } from './core/piece-layout.ts';
import { findInline } from './lookup.ts';
import { PieceVerifier } from './piece-verifier.ts';
import { PieceWriter } from './piece-writer.ts';
import { Provenance } from './provenance.ts';
import { encodeNote, makeStatement, parseNote } from './statement.ts';
import { TransferMeter } from './transfer-meter.ts';

/** What every transfer of a node shares. */
export interface TransferContext {
  readonly network: Network;
  readonly blobs: BlobStore;
  readonly coordinators: Coordinators;
  origin(): Origin | undefined;
  readonly now: () => number;
  readonly random: () => number;
}

/** Pushed bytes that a subscriber lets a peer have on their way; topped up as they arrive. */
const CREDIT_BYTES = 8 << 20;
const JOIN_TIMEOUT_MS = 3000;
/** Choices that wait for time to pass (announcements, promises gone stale, endgame) are looked at this often. */
const TICK_MS = 50;
/** With nothing under way and nobody to ask, a transfer that has bytes waits this long for help before it fails. */
const STARVE_MS = 10_000;
/** The origin is left alone for this long after it failed; doubled each time. */
const ORIGIN_PAUSE_MS = 500;
const MAX_ORIGIN_PAUSE_MS = 15_000;
const MAX_RETRIES_WITHOUT_PROOF = 5;

type State =
  | { readonly kind: 'finding' }
  | { readonly kind: 'fetching' }
  | { readonly kind: 'verifying' }
  /** Proven and in the store; still pushes to subscribers. */
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly error: unknown };

/**
 * One blob on its way to this node: carries out what `Download` chooses, over lanes, the origin and the disk, and feeds it what
 * happens. Ends with the blob proven in the store, or with an error and the partial blob kept.
 */
export class Transfer {
  readonly digest: Digest;
  readonly repository: string;
  readonly shared: boolean;
  readonly meter: TransferMeter;
  readonly #context: TransferContext;
  readonly #request: BlobRequest;
  readonly #abort = new AbortController();
  readonly #over = Promise.withResolvers<void>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #sized = Promise.withResolvers<number>();
  readonly #provenance = new Provenance();
  readonly #fetches = new Map<number, AbortController>();
  /** Neighbours that were met before the size was known. */
  readonly #early = new Map<string, { holding: Holding; credit: number }>();
  #state: State = { kind: 'finding' };
  #download: Download | undefined;
  #partial: PartialBlob | undefined;
  #writer: PieceWriter | undefined;
  #verifier: PieceVerifier | undefined;
  #reader: BlobReader | undefined;
  #tick: NodeJS.Timeout | undefined;
  #size: number | undefined;
  #planned = false;
  #closed = false;
  #joining = 0;
  #originError: unknown;
  #originPausedUntil = 0;
  #originFailures = 0;
  #idleSince: number | undefined;

  constructor(context: TransferContext, request: BlobRequest) {
    this.#context = context;
    this.#request = request;
    this.digest = request.digest;
    this.repository = request.repository;
    this.shared = request.shared !== false;
    this.meter = new TransferMeter(context.now);
    // Whoever waits is told through these; a transfer that nobody waits for any more may fail in silence.
    this.#ready.promise.catch(() => undefined);
    this.#sized.promise.catch(() => undefined);
  }

  get state(): State['kind'] {
    return this.#state.kind;
  }

  size(): Promise<number> {
    return this.#sized.promise;
  }

  done(): Promise<void> {
    return this.#ready.promise;
  }

  /** Resolves when nothing goes on any more, pushes to others included. */
  over(): Promise<void> {
    return this.#over.promise;
  }

  get isOver(): boolean {
    return this.#closed;
  }

  start(): void {
    this.#run().catch((error: unknown) => this.#fail(error));
  }

  /** Stops; what is here stays as a partial blob. */
  async stop(reason: LayerswarmError): Promise<void> {
    if (this.#state.kind === 'done') await this.#close();
    else this.#fail(reason);
  }

  status(): TransferStatus {
    const state = this.#state.kind;
    return {
      digest: this.digest,
      repository: this.repository,
      sizeBytes: this.#size,
      haveBytes: state === 'done' ? (this.#size ?? 0) : (this.#partial?.haveBytes() ?? 0),
      state,
      ...this.meter.snapshot(),
    };
  }

  /** What this node tells others that it has. */
  holding(): Holding {
    const blob = this.digest.toString();
    const download = this.#download;
    if (download === undefined) return { blob, state: 'none' };
    const { size, pieceLength } = download.layout;
    if (this.#state.kind === 'done') return { blob, state: 'complete', size, pieceLength };
    return { blob, state: 'partial', size, pieceLength, bits: Uint8Array.from(download.servable.toBytes()) };
  }

  get credit(): number {
    return this.#state.kind === 'done' ? 0 : CREDIT_BYTES;
  }

  /** Bytes of vouched or proven pieces at `offset`, or undefined when that piece is not here: what the trickle may give a client. */
  async vouchedPiece(offset: number): Promise<Buffer | undefined> {
    const download = this.#download;
    const partial = this.#partial;
    if (download === undefined || partial === undefined) return undefined;
    const piece = download.layout.pieceAt(offset);
    if (piece >= download.layout.pieceCount || partial.grade(piece) < Grade.vouched) return undefined;
    return await partial.read(offset, download.layout.range(piece).end - offset);
  }

  // Told by peers

  onPeerJoined(peerId: string): void {
    if (this.shared && this.#running()) void this.#join(peerId);
  }

  onPeerLeft(peerId: string): void {
    this.#early.delete(peerId);
    this.#download?.lose(peerId);
    this.#wake();
  }

  onJoin(peerId: string, holding: Holding, credit: number): void {
    this.#meet(peerId, holding, credit);
    this.#wake();
  }

  onHave(peerId: string, message: MessageOf<'have'>): void {
    this.#download?.gained(peerId, message.runs, message.backlogBytes, this.#context.now());
    this.#wake();
  }

  onPromise(peerId: string, message: MessageOf<'promise'>): void {
    this.#download?.promised(peerId, message.runs, this.#context.now());
  }

  onCredit(peerId: string, bytes: number): void {
    this.#download?.credited(peerId, bytes);
    this.#wake();
  }

  onLeave(peerId: string, complete: boolean): void {
    const credit = 0;
    if (complete) this.#meet(peerId, { blob: this.digest.toString(), state: 'complete' }, credit);
    else this.#download?.lose(peerId);
    this.#wake();
  }

  // Lanes

  /** Whether [start, end) can be served from here before the blob is proven, and with which note. */
  async serve(start: number, end: number): Promise<{ bytes: Buffer; note: Uint8Array } | undefined> {
    const download = this.#download;
    const partial = this.#partial;
    if (download === undefined || partial === undefined || this.#verifier === undefined || end > download.layout.size) return undefined;
    const first = download.layout.pieceAt(start);
    const last = download.layout.pieceAt(end - 1);
    for (let piece = first; piece <= last; piece++) {
      if (!download.servable.has(piece) || !(await this.#verifier.mayServe(piece))) return undefined;
    }
    const statements = [];
    for (let piece = first; piece <= last; piece++) {
      const statement = this.#provenance.get(piece)?.statement;
      if (statement !== undefined) statements.push(statement);
    }
    return { bytes: await partial.read(start, end - start), note: encodeNote(statements) };
  }

  acceptPush(peerId: string, start: number, end: number, note: Uint8Array): PushReceiver | undefined {
    const download = this.#download;
    if (download === undefined || this.#writer === undefined || this.#state.kind !== 'fetching') return undefined;
    const piece = download.layout.pieceAt(start);
    const range = piece < download.layout.pieceCount ? download.layout.range(piece) : undefined;
    if (range === undefined || range.start !== start || range.end !== end || !download.neighbours.has(peerId)) return undefined;
    const [statement, ...more] = parseNote(note);
    if (statement === undefined || more.length > 0 || statement.start !== start || statement.length !== end - start) return undefined;
    if (download.have.has(piece)) {
      this.#grantCredit(peerId, end - start);
      return undefined;
    }
    const target = this.#writer.target(start, (written) => {
      this.#provenance.set(written, peerId, statement);
      this.#complete(written, Grade.received);
      download.arrived(written, { push: peerId }, true, this.#context.now());
      this.meter.fromPeer(peerId, download.layout.bytes(written));
    });
    return {
      target,
      done: () => {
        target.release();
        this.#grantCredit(peerId, end - start);
        this.#wake();
      },
    };
  }

  // The run

  async #run(): Promise<void> {
    if (this.#context.blobs.size(this.digest) !== undefined) {
      this.#size = this.#context.blobs.size(this.digest);
      this.#sized.resolve(this.#size!);
      this.#state = { kind: 'done' };
      this.#ready.resolve();
      await this.#close();
      return;
    }
    if (this.shared) {
      if (await this.#findInline()) return;
      for (const { peerId } of this.#context.network.peers()) void this.#join(peerId);
    }
    const size = await this.#findSize();
    this.#size = size;
    if (size === 0) {
      await this.#context.blobs.write(once(new Uint8Array()), { expected: this.digest });
      this.#state = { kind: 'done' };
      this.#sized.resolve(0);
      this.#ready.resolve();
      await this.#close();
      return;
    }
    const layout = new PieceLayout(size);
    this.#partial = await this.#context.blobs.openPartial(this.digest, size, layout.pieceLength);
    const download = new Download(layout, this.#context.random);
    this.#download = download;
    this.#writer = new PieceWriter(this.#partial, layout, (piece) => download.have.has(piece));
    this.#verifier = new PieceVerifier(this.#context, this.digest, this.#partial, layout, this.#provenance, {
      vouched: (pieces) => {
        for (const piece of pieces) download.makeServable(piece);
      },
      discarded: (pieces) => download.forget(pieces),
      accused: (peer) => download.neighbours.get(peer)?.distrust(),
      failed: (error) => this.#fail(error),
      origin: () => this.#usableOrigin(),
      repository: this.repository,
      rivals: () => this.#rivals(),
      meter: this.meter,
    });
    this.#restore(this.#partial, download);
    this.#state = { kind: 'fetching' };
    this.#sized.resolve(size);
    for (const [peerId, { holding, credit }] of this.#early) this.#meet(peerId, holding, credit);
    this.#early.clear();
    this.#tick = setInterval(() => this.#wake(), TICK_MS);
    this.#wake();
    if (download.have.isFull) await this.#prove();
  }

  /** A small blob that a near member holds comes with its answer: one round trip. */
  async #findInline(): Promise<boolean> {
    const { size, sources } = this.#request;
    if (size === undefined ? sources !== 'peers' : size > MAX_INLINE_BYTES) return false;
    const found = await findInline(this.#context.network, this.digest, this.#abort.signal);
    if (found === undefined) return false;
    const { bytes } = found;
    this.#size = bytes.length;
    this.#sized.resolve(bytes.length);
    this.meter.fromPeer(found.peer, bytes.length);
    await this.#context.blobs.write(once(bytes), { expected: this.digest });
    this.#state = { kind: 'done' };
    this.#ready.resolve();
    await this.#close();
    return true;
  }

  /** From the manifest; else from the origin; else, while that is away, what members say: the digest will tell. */
  async #findSize(): Promise<number> {
    if (this.#request.size !== undefined) return this.#request.size;
    const origin = this.#origin();
    let failure: unknown = this.#nobodyHelps();
    try {
      if (origin !== undefined) return await origin.blobSize(this.repository, this.digest, this.#abort.signal);
    } catch (error) {
      failure = error;
    }
    while (this.#joining > 0 && !this.#claimedSize()) await new Promise((resolve) => setTimeout(resolve, 5));
    const claimed = this.#claimedSize();
    if (claimed === undefined) throw failure;
    return claimed;
  }

  #claimedSize(): number | undefined {
    for (const { holding } of this.#early.values()) if (holding.state === 'complete' && holding.size !== undefined) return holding.size;
    return undefined;
  }

  /** Pieces of an earlier run: here, and served on only where this node itself can answer for them. */
  #restore(partial: PartialBlob, download: Download): void {
    for (let piece = 0; piece < partial.pieceCount; piece++) {
      const grade = partial.grade(piece);
      if (grade === Grade.missing) continue;
      this.#provenance.set(piece, undefined, undefined);
      download.arrived(piece, {}, grade >= Grade.origin, this.#context.now());
    }
  }

  async #join(peerId: string): Promise<void> {
    this.#joining++;
    try {
      const answer = await this.#context.network.request(
        peerId, { type: 'join', holding: this.holding(), credit: this.credit }, 'joined', { signal: this.#abort.signal, timeoutMs: JOIN_TIMEOUT_MS },
      );
      if (answer.holding.blob === this.digest.toString()) this.#meet(peerId, answer.holding, answer.credit);
    } catch {
      // A peer that does not answer is not a neighbour of this blob; `onPeerLeft` tells if it is gone.
    } finally {
      this.#joining--;
      this.#wake();
    }
  }

  #meet(peerId: string, holding: Holding, credit: number): void {
    const download = this.#download;
    if (download === undefined) {
      this.#early.set(peerId, { holding, credit });
      return;
    }
    const { size, pieceLength, pieceCount } = download.layout;
    let role: NeighbourRole = 'none';
    let bits: Bitfield | undefined;
    if (holding.state === 'complete' && (holding.size === undefined || holding.size === size)) role = this.#isOrigin(peerId) ? 'origin' : 'complete';
    // `none` with credit is a member that wants it and has nothing yet.
    if (holding.state === 'partial' || (holding.state === 'none' && credit > 0)) role = 'fetching';
    if (holding.state === 'partial' && holding.size === size && holding.pieceLength === pieceLength && holding.bits !== undefined) {
      bits = Bitfield.fromBytes(holding.bits, pieceCount);
    }
    download.meet(peerId, role, bits, credit, this.#context.now());
    if (role === 'complete') this.#verifier?.holder(peerId);
  }

  #wake(): void {
    if (this.#planned || this.#download === undefined) return;
    this.#planned = true;
    setImmediate(() => {
      this.#planned = false;
      this.#planNow();
    });
  }

  #planNow(): void {
    const download = this.#download;
    if (download === undefined || (this.#state.kind !== 'fetching' && this.#state.kind !== 'done')) return;
    const now = this.#context.now();
    const coordinator = this.#context.coordinators.coordinator(this.digest);
    download.coordinator = coordinator === this.#context.network.self ? undefined : coordinator;
    download.originUsable = this.#usableOrigin() !== undefined;
    for (const command of download.plan(now)) this.#execute(command);
    if (this.#state.kind === 'done' && download.pushBacklogBytes === 0) void this.#close();
    else this.#watch(download, now);
  }

  /** Fails when nobody can help: at once when nothing was ever under way, after a while when a transfer ran dry. */
  #watch(download: Download, now: number): void {
    if (this.#state.kind !== 'fetching' || this.#joining > 0 || !download.idle(now)) {
      this.#idleSince = undefined;
      return;
    }
    this.#idleSince ??= now;
    const stuck = this.#originError !== undefined || this.#origin() === undefined;
    const fatal = this.#originError !== undefined && errorCode(this.#originError) === 'not-found';
    const patience = fatal || download.have.count === 0 ? 500 : STARVE_MS;
    if (stuck && now - this.#idleSince >= patience) this.#fail(this.#nobodyHelps());
  }

  #nobodyHelps(): unknown {
    if (this.#originError !== undefined) return this.#originError;
    if (this.#request.sources === 'peers') return new LayerswarmError('not-found', `no member of the swarm has ${this.digest.toString()}`);
    return new LayerswarmError('unavailable', `no member of the swarm has ${this.digest.toString()}, and no origin is known to read it from`);
  }

  #execute(command: Command): void {
    const { network } = this.#context;
    const blob = this.digest.toString();
    switch (command.type) {
      case 'have':
        for (const peer of command.peers) network.send(peer, { type: 'have', blob, runs: command.runs.map(copyRun), backlogBytes: this.#download!.pushBacklogBytes });
        this.#context.coordinators.heard(blob, network.self, command.runs);
        break;
      case 'promise':
        for (const peer of command.peers) network.send(peer, { type: 'promise', blob, runs: command.runs.map(copyRun) });
        break;
      case 'fetch':
        void this.#fetch(command.fetch);
        break;
      case 'cancel':
        this.#fetches.get(command.fetch.id)?.abort();
        break;
      case 'push':
        void this.#push(command.peer, command.piece);
        break;
      case 'ask-lease':
        void this.#askLease(command.count, command.active);
        break;
      case 'read':
        void this.#read(command.read);
        break;
      default:
        command satisfies never;
    }
  }

  async #fetch(fetch: Fetch): Promise<void> {
    const download = this.#download!;
    const abort = new AbortController();
    this.#fetches.set(fetch.id, abort);
    const signal = AbortSignal.any([abort.signal, this.#abort.signal]);
    const range = download.layout.range(fetch.first, fetch.count);
    const target = this.#writer!.target(range.start, (piece) => {
      this.#provenance.set(piece, fetch.peer, undefined);
      this.#complete(piece, Grade.received);
      download.arrived(piece, { fetch }, false, this.#context.now());
      this.meter.fromPeer(fetch.peer, download.layout.bytes(piece));
    });
    let outcome: 'done' | 'failed' | 'cancelled' = 'done';
    try {
      const lane = await this.#context.network.lane(fetch.peer, signal);
      const note = await lane.request(this.digest, range, target, signal);
      this.#noted(fetch.peer, note);
    } catch (error) {
      outcome = signal.aborted ? 'cancelled' : 'failed';
      if (outcome === 'failed') this.meter.stalled(errorCode(error) === 'timeout');
    } finally {
      target.release();
      this.#fetches.delete(fetch.id);
      download.fetchEnded(fetch, outcome, this.#context.now());
      this.#wake();
    }
  }

  /** Statements that came with an answer let its pieces be passed on before the blob is proven. */
  #noted(peer: string, note: Uint8Array): void {
    const { layout } = this.#download!;
    for (const statement of parseNote(note)) {
      const piece = layout.pieceAt(statement.start);
      const origin = this.#provenance.get(piece);
      if (origin === undefined || origin.sender !== peer || statement.length !== layout.bytes(piece)) continue;
      origin.statement ??= statement;
      this.#download!.makeServable(piece);
    }
  }

  async #push(peer: string, piece: number): Promise<void> {
    const download = this.#download!;
    const range = download.layout.range(piece);
    let sent = false;
    try {
      const statement = this.#provenance.get(piece)?.statement;
      if (statement === undefined) return;
      const bytes = await this.#readOwn(range.start, range.end - range.start);
      const lane = await this.#context.network.lane(peer, this.#abort.signal);
      sent = await lane.push(this.digest, range, bytes, encodeNote([statement]), this.#abort.signal);
    } catch {
      // The peer is gone or refuses: `onPeerLeft` takes it out, and it asks again for what it still wants.
    } finally {
      download.pushEnded(peer, piece, sent);
      this.#wake();
    }
  }

  async #readOwn(offset: number, length: number): Promise<Buffer> {
    if (this.#reader !== undefined) return await this.#reader.read(offset, length);
    return await this.#partial!.read(offset, length);
  }

  async #askLease(count: number, active: readonly Run[]): Promise<void> {
    const download = this.#download!;
    const answer = await this.#context.coordinators.ask(this.digest, download.layout, download.have, active, count, this.#abort.signal);
    if (this.#state.kind !== 'fetching') return;
    const now = this.#context.now();
    if ('extents' in answer) for (const command of download.leased(answer.extents, now)) this.#execute(command);
    else download.leaseDelayed(answer.waitMs, now);
    this.#wake();
  }

  async #read(read: Read): Promise<void> {
    const download = this.#download!;
    let outcome: 'done' | 'failed' = 'done';
    try {
      if (read.source === undefined) await this.#readOrigin(read);
      else await this.#readHolder(read, read.source);
      this.#originFailures = 0;
    } catch (error) {
      outcome = 'failed';
      if (read.source === undefined && !this.#abort.signal.aborted) this.#originFailed(error);
      else download.neighbours.get(read.source ?? '')?.failed(this.#context.now());
    } finally {
      const done = doneRuns(download, read);
      download.readEnded(read);
      this.#context.coordinators.report(this.digest, read.extent, done, outcome);
      this.#wake();
    }
  }

  async #readOrigin(read: Read): Promise<void> {
    const download = this.#download!;
    const origin = this.#usableOrigin();
    if (origin === undefined) throw new LayerswarmError('origin-unknown', 'no origin can be read');
    const { first, count } = firstGap(download, read);
    if (count === 0) return;
    const range = download.layout.range(first, count);
    const target = this.#writer!.target(range.start, async (piece) => {
      const { start, end } = download.layout.range(piece);
      const bytes = await this.#partial!.read(start, end - start);
      this.#provenance.set(piece, undefined, await makeStatement(this.#context.network, this.digest, start, bytes));
      this.#complete(piece, Grade.origin);
      download.arrived(piece, { read }, true, this.#context.now());
      this.#wake();
    });
    let offset = range.start;
    try {
      for await (const chunk of origin.readBlob(this.repository, this.digest, range, this.#abort.signal)) {
        await target.write(offset, chunk);
        offset += chunk.length;
        this.meter.fromOrigin(chunk.length);
      }
    } finally {
      target.release();
    }
  }

  /** Single pieces, a few at once: each comes with its statement, and can be pushed on when it is here. */
  async #readHolder(read: Read, holder: string): Promise<void> {
    const download = this.#download!;
    const lane = await this.#context.network.lane(holder, this.#abort.signal);
    const pieces = Array.from({ length: read.extent.count }, (_, i) => read.extent.first + i).filter((piece) => !download.have.has(piece));
    const next = pieces.values();
    const readPieces = async (): Promise<void> => {
      for (const piece of next) {
        const range = download.layout.range(piece);
        let arrived = false;
        const target = this.#writer!.target(range.start, () => {
          this.#provenance.set(piece, holder, undefined);
          this.#complete(piece, Grade.received);
          arrived = true;
          this.meter.fromPeer(holder, range.end - range.start);
        });
        try {
          const note = await lane.request(this.digest, range, target, this.#abort.signal);
          if (!arrived) continue;
          const [statement] = parseNote(note);
          const origin = this.#provenance.get(piece);
          if (origin !== undefined && statement !== undefined && statement.start === range.start) origin.statement = statement;
          download.arrived(piece, { read }, statement !== undefined, this.#context.now());
          this.#wake();
        } finally {
          target.release();
        }
      }
    };
    await Promise.all([readPieces(), readPieces(), readPieces()]);
  }

  #complete(piece: number, grade: Grade): void {
    this.#partial!.complete(piece, grade);
    void this.#advance();
  }

  async #advance(): Promise<void> {
    try {
      await this.#partial!.advance();
      if (this.#state.kind === 'fetching' && this.#partial!.verdict !== undefined) await this.#prove();
    } catch (error) {
      this.#fail(error);
    }
  }

  async #prove(): Promise<void> {
    if (this.#state.kind !== 'fetching') return;
    this.#state = { kind: 'verifying' };
    const partial = this.#partial!;
    await partial.advance();
    for (let tries = 0; partial.verdict !== true; tries++) {
      if (tries === MAX_RETRIES_WITHOUT_PROOF) {
        throw new LayerswarmError('verification-failed', `the bytes of ${this.digest.toString()} that the swarm and the origin give do not have that digest`);
      }
      await this.#verifier!.settle();
      if (partial.haveBytes() < partial.size) {
        this.#state = { kind: 'fetching' };
        this.#wake();
        return;
      }
      await partial.advance();
    }
    this.#verifier!.proven();
    this.#verifier!.stop();
    await partial.commit();
    this.#reader = await this.#context.blobs.open(this.digest);
    this.#state = { kind: 'done' };
    this.meter.finished();
    this.#tellComplete();
    this.#ready.resolve();
    this.#wake();
  }

  #tellComplete(): void {
    const { network, coordinators } = this.#context;
    const blob = this.digest.toString();
    coordinators.heard(blob, network.self, 'complete');
    if (!this.shared) return;
    for (const { peerId } of network.peers()) network.send(peerId, { type: 'leave', blob, complete: true });
    network.provide(blob);
  }

  #fail(error: unknown): void {
    if (this.#state.kind === 'done' || this.#state.kind === 'failed') return;
    this.#state = { kind: 'failed', error };
    this.#sized.reject(error);
    this.#ready.reject(error);
    if (this.shared) for (const { peerId } of this.#context.network.peers()) this.#context.network.send(peerId, { type: 'leave', blob: this.digest.toString(), complete: false });
    void this.#close();
  }

  async #close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#tick);
    this.#tick = undefined;
    this.#abort.abort();
    this.#verifier?.stop();
    this.#download = undefined;
    this.#provenance.clear();
    await this.#reader?.close();
    this.#reader = undefined;
    if (this.#state.kind === 'failed') await this.#partial?.close();
    this.#partial = undefined;
    this.#over.resolve();
  }

  #grantCredit(peerId: string, bytes: number): void {
    this.#context.network.send(peerId, { type: 'credit', blob: this.digest.toString(), bytes });
  }

  #origin(): Origin | undefined {
    if (this.#request.sources === 'peers') return undefined;
    return this.#request.origin ?? this.#context.origin();
  }

  #usableOrigin(): Origin | undefined {
    return this.#originPausedUntil > this.#context.now() ? undefined : this.#origin();
  }

  #originFailed(error: unknown): void {
    this.#originError = error;
    this.#originPausedUntil = this.#context.now() + Math.min(MAX_ORIGIN_PAUSE_MS, ORIGIN_PAUSE_MS * 2 ** this.#originFailures);
    this.#originFailures++;
    this.meter.stalled(false);
  }

  #isOrigin(peerId: string): boolean {
    return this.#origin()?.url === `embedded:${peerId}`;
  }

  /** Members that fetch the blob too, as seen from here. */
  #rivals(): string[] {
    return [...(this.#download?.neighbours.values() ?? [])].filter(({ role }) => role === 'fetching').map(({ peer }) => peer);
  }

  #running(): boolean {
    return this.#state.kind === 'finding' || this.#state.kind === 'fetching';
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function copyRun([first, count]: Run): Run {
  return [first, count];
}

/** The part of an extent that is still missing, from its first missing piece to its last. */
function firstGap(download: Download, { extent }: Read): { first: number; count: number } {
  let first = extent.first;
  let after = extent.first + extent.count;
  while (first < after && download.have.has(first)) first++;
  while (after > first && download.have.has(after - 1)) after--;
  return { first, count: after - first };
}

function doneRuns(download: Download, { extent }: Read): Run[] {
  return download.have.runs().flatMap(([first, count]): Run[] => {
    const start = Math.max(first, extent.first);
    const end = Math.min(first + count, extent.first + extent.count);
    return end > start ? [[start, end - start]] : [];
  });
}
