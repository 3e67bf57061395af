import { LayerswarmError } from '../../../errors.ts';
import { Digest } from '../../../oci/digest.ts';
import type { LaneSource, RangeTarget } from '../lane.ts';
import type { MainMethods, Sink, WorkerMethods } from './bulk-protocol.ts';
import type { Handlers, PortRpc } from './port-rpc.ts';
import { TlsLane } from './tls-lane.ts';

type LaneMethods = Omit<MainMethods, 'piecesWritten' | 'checkpoint' | 'publish'>;

export interface BulkLaneEvents {
  /** A peer opened a lane to this node. */
  onOpened(lane: TlsLane): void;
  /** Nothing new can be begun on this lane. Once a lane. */
  onRetired(lane: TlsLane): void;
}

const NOTHING: LaneSource = { read: async () => await Promise.resolve(undefined) };

/** The main thread's side of the lanes in the worker: what the worker may serve, and where it brings what is not for a file. */
export class BulkLanes {
  readonly #worker: () => PortRpc<MainMethods, WorkerMethods>;
  readonly #host: object;
  readonly #lanes = new Map<number, TlsLane>();
  readonly #sinks = new Map<number, RangeTarget>();
  /** Of files that the worker reads, how to let them go. */
  readonly #answers = new Map<number, () => void>();
  #source: LaneSource = NOTHING;
  #events: BulkLaneEvents | undefined;
  #nextId = 0;

  /** `host` is what a target that is hosted in this worker names. */
  constructor(worker: () => PortRpc<MainMethods, WorkerMethods>, host: object) {
    this.#worker = worker;
    this.#host = host;
  }

  serve(source: LaneSource, events: BulkLaneEvents): void {
    this.#source = source;
    this.#events = events;
  }

  /** A lane that the worker has opened for this side. @throws `peer-gone` when it has ended already */
  get(id: number): TlsLane {
    const lane = this.#lanes.get(id);
    if (lane === undefined) throw new LayerswarmError('peer-gone', 'the lane ended as soon as it was open');
    return lane;
  }

  /** The worker is gone. */
  close(): void {
    for (const lane of this.#lanes.keys()) this.#retire(lane);
    this.#lanes.clear();
    for (const answer of this.#answers.keys()) this.#closeAnswer(answer);
    this.#sinks.clear();
  }

  readonly handlers: Handlers<LaneMethods> = {
    laneOpened: ({ lane: id, peerId, dialled }) => {
      const lane = new TlsLane({ id, peerId, worker: this.#worker(), sink: (target) => this.#sinkFor(target) });
      this.#lanes.set(id, lane);
      if (!dialled) this.#events?.onOpened(lane);
    },
    laneDraining: ({ lane }) => { this.#retire(lane); },
    laneClosed: ({ lane }) => {
      this.#retire(lane);
      this.#lanes.delete(lane);
    },
    counters: (counters) => { for (const counter of counters) this.#lanes.get(counter.lane)?.count(counter); },
    served: ({ bytes }) => { this.#source.served?.(bytes); },
    read: async ({ lane, blob, range }) => {
      const peerId = this.#lanes.get(lane)?.peerId;
      if (peerId === undefined) return undefined;
      const source = await this.#source.read(peerId, Digest.parse(blob), range);
      if (source === undefined) return undefined;
      const { note } = source;
      if ('bytes' in source) return { kind: 'bytes', note, bytes: source.bytes };
      const answer = this.#nextId++;
      this.#answers.set(answer, () => { source.close?.(); });
      return { kind: 'file', note, file: source.file, answer };
    },
    closeAnswer: ({ answer }) => { this.#closeAnswer(answer); },
    write: async ({ sink, offset, bytes }) => { await this.#sinks.get(sink)?.write(offset, bytes); },
  };

  #sinkFor(target: RangeTarget): { readonly sink: Sink; readonly release: () => void } {
    const { hosted } = target;
    if (hosted?.host === this.#host) return { sink: { kind: 'hosted', sender: hosted.id }, release: () => { hosted.ended(); } };
    const sink = this.#nextId++;
    this.#sinks.set(sink, target);
    return { sink: { kind: 'port', sink }, release: () => { this.#sinks.delete(sink); } };
  }

  #closeAnswer(id: number): void {
    const close = this.#answers.get(id);
    this.#answers.delete(id);
    close?.();
  }

  #retire(id: number): void {
    const lane = this.#lanes.get(id);
    if (lane === undefined || !lane.retire()) return;
    this.#events?.onRetired(lane);
  }
}
