import type { TLSSocket } from 'node:tls';
import { LayerswarmError } from '../../../errors.ts';
import { Digest } from '../../../oci/digest.ts';
import { hostGroup } from '../../network/host-group.ts';
import { LaneSession, type SessionSource } from '../lane-session.ts';
import type { RangeTarget } from '../lane.ts';
import { Bandwidth } from '../pace/bandwidth.ts';
import { UploadSlots } from '../upload-slots.ts';
import { dialFirst } from './bulk-dial.ts';
import { BulkListener } from './bulk-listener.ts';
import type { BulkWorkerOptions, LaneCounters, MainMethods, Sink, WorkerMethods } from './bulk-protocol.ts';
import { makeBulkIdentity } from './certificate.ts';
import type { HostedBlobs } from './hosted-blobs.ts';
import type { Handlers, PortRpc } from './port-rpc.ts';
import { TicketBook } from './tickets.ts';
import { TlsTransport, type ReadArena } from './tls-transport.ts';

type LaneMethods = Pick<WorkerMethods, 'fingerprint' | 'listen' | 'admit' | 'dial' | 'request' | 'drainLane' | 'closeLane' | 'stop'>;

/** The main thread hears of bytes sent and received this often. */
const COUNTERS_INTERVAL_MS = 100;

/** The bulk port and the TLS lanes, in the worker. Asks the main thread what it may serve. */
export class BulkHost {
  readonly #options: BulkWorkerOptions;
  readonly #main: () => PortRpc<WorkerMethods, MainMethods>;
  readonly #blobs: HostedBlobs;
  readonly #slots = new UploadSlots();
  readonly #bandwidth: Bandwidth | undefined;
  readonly #identity = makeBulkIdentity();
  readonly #tickets = new TicketBook(() => performance.now());
  readonly #lanes = new Map<number, LaneSession>();
  readonly #reported = new Map<number, LaneCounters>();
  readonly #counterTimer: NodeJS.Timeout;
  #listener: BulkListener | undefined;
  #nextLane = 0;
  /** Of shared pieces, since the main thread heard of them last. */
  #servedBytes = 0;

  constructor(options: BulkWorkerOptions, main: () => PortRpc<WorkerMethods, MainMethods>, blobs: HostedBlobs) {
    this.#options = options;
    this.#main = main;
    this.#blobs = blobs;
    this.#bandwidth = options.bandwidth === undefined ? undefined : new Bandwidth(options.bandwidth);
    this.#counterTimer = setInterval(() => { this.#report(this.#lanes.keys()); }, COUNTERS_INTERVAL_MS);
    this.#counterTimer.unref();
  }

  readonly handlers: Handlers<LaneMethods> = {
    fingerprint: () => this.#identity.fingerprint,
    listen: async ({ host, port }) => {
      this.#listener = new BulkListener(this.#identity, this.#tickets, (socket, { peerId }) => {
        const lane = this.#attach(peerId, socket, undefined, 'acceptor');
        this.#main().notify('laneOpened', { lane, peerId, dialled: false });
      });
      return await this.#listener.listen(host, port);
    },
    admit: ({ secret, peerId, fingerprint, expiresInMs }) => {
      this.#tickets.add(secret, { peerId, fingerprint, expiresAt: performance.now() + expiresInMs });
    },
    dial: async ({ peerId, addresses, fingerprint, ticket, timeoutMs }, signal) => {
      const deadline = AbortSignal.timeout(timeoutMs);
      const { socket, arena } = await dialFirst(this.#identity, addresses, { fingerprint, ticket }, timeoutMs, signal);
      const lane = this.#attach(peerId, socket, arena, 'opener');
      const session = this.#lane(lane);
      const giveUp = (): void => { void session.close(); };
      const either = AbortSignal.any([deadline, signal]);
      if (either.aborted) giveUp();
      either.addEventListener('abort', giveUp, { once: true });
      try {
        await session.ready;
      } finally {
        either.removeEventListener('abort', giveUp);
      }
      this.#main().notify('laneOpened', { lane, peerId, dialled: true });
      return lane;
    },
    request: async ({ lane, blob, range, sink }, signal) => {
      try {
        return await this.#lane(lane).request(Digest.parse(blob), range, this.#target(sink), signal);
      } finally {
        this.#closeSender(sink);
      }
    },
    drainLane: ({ lane }) => { this.#lanes.get(lane)?.drain(); },
    closeLane: async ({ lane }) => { await this.#lanes.get(lane)?.close(); },
    stop: async () => {
      clearInterval(this.#counterTimer);
      this.#listener?.close();
      await Promise.all(Array.from(this.#lanes.values(), async (session) => { await session.close(); }));
    },
  };

  #attach(peerId: string, socket: TLSSocket, arena: ReadArena | undefined, role: 'opener' | 'acceptor'): number {
    const lane = this.#nextLane++;
    const session = new LaneSession(new TlsTransport(socket, arena), {
      peerId, role,
      source: this.#source(lane),
      stallMs: this.#options.stallMs,
      idleMs: this.#options.idleMs,
      host: hostGroup(socket.remoteAddress ?? ''),
      slots: this.#slots,
      bandwidth: this.#bandwidth,
      onDraining: () => { this.#main().notify('laneDraining', { lane }); },
      onClosed: ({ code, message }) => {
        this.#report([lane]);
        this.#lanes.delete(lane);
        this.#reported.delete(lane);
        this.#main().notify('laneClosed', { lane, code, message });
      },
    });
    this.#lanes.set(lane, session);
    return lane;
  }

  #lane(lane: number): LaneSession {
    const session = this.#lanes.get(lane);
    if (session === undefined) throw new LayerswarmError('peer-gone', 'the lane is closed');
    return session;
  }

  #source(lane: number): SessionSource {
    return {
      read: async (blob, range) => {
        const shared = this.#blobs.shared(blob, range);
        if (shared !== undefined) {
          this.#servedBytes += shared.bytes.length;
          return shared;
        }
        const answer = await this.#main().call('read', { lane, blob: blob.toString(), range });
        if (answer === undefined || answer.kind === 'bytes') return answer;
        return { file: answer.file, note: answer.note, close: () => { this.#main().notify('closeAnswer', { answer: answer.answer }); } };
      },
    };
  }

  #target(sink: Sink): RangeTarget {
    if (sink.kind === 'hosted') return this.#blobs.sender(sink.sender);
    return {
      write: async (offset, chunk) => {
        const bytes = Uint8Array.from(chunk);
        await this.#main().call('write', { sink: sink.sink, offset, bytes }, { transfer: [bytes.buffer] });
      },
    };
  }

  #closeSender(sink: Sink): void {
    if (sink.kind === 'hosted') this.#blobs.closeSender(sink.sender);
  }

  #report(lanes: Iterable<number>): void {
    const changed: LaneCounters[] = [];
    for (const lane of lanes) {
      const session = this.#lanes.get(lane);
      if (session === undefined) continue;
      const counters = { lane, sentBytes: session.queue.sentBytes, receivedBytes: session.receivedBytes };
      const last = this.#reported.get(lane);
      if (last !== undefined && last.sentBytes === counters.sentBytes && last.receivedBytes === counters.receivedBytes) continue;
      this.#reported.set(lane, counters);
      changed.push(counters);
    }
    if (changed.length > 0) this.#main().notify('counters', changed);
    if (this.#servedBytes > 0) this.#main().notify('served', { bytes: this.#servedBytes });
    this.#servedBytes = 0;
  }
}
