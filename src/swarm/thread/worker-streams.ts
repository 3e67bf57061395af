import { LayerswarmError } from '../../errors.ts';
import type { LaneTransport, TransportHandler } from '../lane/lane-transport.ts';
import type { Route } from '../lane/route.ts';
import type { LaneStreams } from '../lane/stream-lane-hub.ts';
import type { PortRpc } from './port-rpc.ts';
import type { MainMethods, WorkerMethods } from './thread-protocol.ts';

/** Bytes that the main thread has been given and has not passed on; over it the lane waits. */
const MAX_SEND_BUFFERED = 1 << 20;
/** What is sent in one turn of the event loop goes over together, in parts of this many bytes. */
const BATCH_BYTES = 256 * 1024;

/** The streams of the control connections, which the main thread has, as the bulk thread uses them for lanes. */
export class WorkerStreams implements LaneStreams {
  onOpened: ((route: Route, transport: LaneTransport) => void) | undefined;
  readonly #main: () => PortRpc<WorkerMethods, MainMethods>;
  readonly #streams = new Map<number, PortStream>();
  #opened = 0;

  constructor(main: () => PortRpc<WorkerMethods, MainMethods>) {
    this.#main = main;
  }

  readonly handlers = {
    streamOpened: ({ stream, route }: { stream: number; route: Route }): void => {
      this.onOpened?.(route, this.#add(stream));
    },
    streamData: ({ stream, bytes }: { stream: number; bytes: Uint8Array }): void => {
      this.#streams.get(stream)?.data(bytes);
    },
    streamDrained: ({ stream }: { stream: number }): void => {
      this.#streams.get(stream)?.drained();
    },
    streamClosed: ({ stream, error }: { stream: number; error: string | undefined }): void => {
      this.#streams.get(stream)?.closed(error === undefined ? undefined : new LayerswarmError('peer-gone', error));
      this.#streams.delete(stream);
    },
  };

  async open(route: Route, signal: AbortSignal): Promise<LaneTransport> {
    // Even ones are this side's: what the peer says first may come together with the answer to this.
    const id = 2 * this.#opened++;
    const stream = this.#add(id);
    try {
      await this.#main().call('openStream', { stream: id, route }, { signal });
      return stream;
    } catch (error) {
      this.#streams.delete(id);
      throw error;
    }
  }

  #add(id: number): PortStream {
    const stream = new PortStream(id, this.#main());
    this.#streams.set(id, stream);
    return stream;
  }
}

class PortStream implements LaneTransport {
  #handler: TransportHandler | undefined;
  /** What came before there was anybody to take it. */
  #early: Uint8Array[] = [];
  readonly #id: number;
  readonly #main: PortRpc<WorkerMethods, MainMethods>;
  readonly #closed = Promise.withResolvers<void>();
  #batch: Uint8Array[] = [];
  #batched = 0;
  /** Given to the main thread since it last said that there is room. */
  #sent = 0;

  constructor(id: number, main: PortRpc<WorkerMethods, MainMethods>) {
    this.#id = id;
    this.#main = main;
  }

  get handler(): TransportHandler | undefined {
    return this.#handler;
  }

  set handler(handler: TransportHandler | undefined) {
    this.#handler = handler;
    queueMicrotask(() => {
      for (const bytes of this.#early.splice(0)) handler?.onData(bytes);
    });
  }

  get sendBuffered(): number {
    return this.#batched + this.#sent;
  }

  send(header: Uint8Array, payload?: Uint8Array, free?: () => void): boolean {
    if (this.#batched === 0)
      queueMicrotask(() => {
        this.#flush();
      });
    // The memory is used again as soon as this returns.
    for (const bytes of payload === undefined ? [header] : [header, payload]) {
      this.#batch.push(Uint8Array.from(bytes));
      this.#batched += bytes.length;
    }
    free?.();
    if (this.#batched >= BATCH_BYTES) this.#flush();
    return this.sendBuffered < MAX_SEND_BUFFERED;
  }

  pause(): void {
    this.#main.notify('streamPause', { stream: this.#id, paused: true });
  }

  resume(): void {
    this.#main.notify('streamPause', { stream: this.#id, paused: false });
  }

  async end(): Promise<void> {
    this.#flush();
    this.#main.notify('streamEnd', { stream: this.#id });
    await this.#closed.promise;
  }

  destroy(error: Error): void {
    this.#main.notify('streamDestroy', { stream: this.#id, error: error.message });
  }

  data(bytes: Uint8Array): void {
    if (this.#handler === undefined || this.#early.length > 0) this.#early.push(bytes);
    else this.#handler.onData(bytes);
  }

  drained(): void {
    const was = this.sendBuffered >= MAX_SEND_BUFFERED;
    this.#sent = 0;
    if (was) this.handler?.onDrain();
  }

  closed(error: Error | undefined): void {
    this.#closed.resolve();
    this.handler?.onClose(error);
  }

  #flush(): void {
    if (this.#batched === 0) return;
    this.#main.notify('streamSend', { stream: this.#id, bytes: this.#batch });
    this.#sent += this.#batched;
    this.#batch = [];
    this.#batched = 0;
  }
}
