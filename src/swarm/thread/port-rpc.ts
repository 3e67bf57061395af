import type { Transferable } from 'node:worker_threads';
import { onAbort } from '../../async/abort.ts';
import { LayerswarmError, type ErrorCode } from '../../errors.ts';

/** The methods of one side: parameters and result of each. All must survive the structured clone. */
export type Methods<M> = { [K in keyof M]: { readonly params: unknown; readonly result: unknown } };

export type Handlers<M extends Methods<M>> = {
  /** The signal is aborted when whoever called wants no result any longer; what nobody waits for is never aborted. */
  [K in keyof M]: (params: M[K]['params'], signal: AbortSignal) => M[K]['result'] | Promise<M[K]['result']>;
};

/** This end of the line between a thread and its worker. */
interface Port {
  postMessage(messages: unknown, transfer?: readonly Transferable[]): void;
  on(event: 'message', listener: (messages: readonly PortMessage[]) => void): unknown;
}

type PortMessage =
  | { readonly type: 'call'; readonly id: number; readonly method: string; readonly params: unknown }
  | { readonly type: 'notify'; readonly method: string; readonly params: unknown }
  | { readonly type: 'abort'; readonly id: number }
  | { readonly type: 'result'; readonly id: number; readonly value: unknown }
  | { readonly type: 'error'; readonly id: number; readonly error: PortError };

interface PortError {
  readonly code: ErrorCode;
  readonly message: string;
}

interface PendingCall {
  readonly resolve: (value: never) => void;
  readonly reject: (error: LayerswarmError) => void;
}

/** While notes come thick and fast they are gathered this long; after a pause the first one goes at once. */
const GATHER_MS = 3;
/** For notifications: to make one for each costs as much as most of them do. */
const NEVER = new AbortController().signal;

/**
 * Calls between two threads. Everything goes over in the order in which it was said, and notes that are said within three milliseconds
 * together: to wake the other thread for one costs as much as hashing several kilobytes. Calls and what they bring are waited for: they go
 * in the next turn of the event loop, with all that waits.
 */
export class PortRpc<Local extends Methods<Local>, Remote extends Methods<Remote>> {
  readonly #port: Port | undefined;
  readonly #handlers: Handlers<Local> | undefined;
  readonly #calls = new Map<number, PendingCall>();
  readonly #running = new Map<number, AbortController>();
  #outbox: PortMessage[] = [];
  #transfers: Transferable[] = [];
  #scheduled: 'gather' | 'turn' | undefined;
  #gathering: NodeJS.Timeout | undefined;
  #flushedAt = 0;
  #nextId = 0;
  #closed: LayerswarmError | undefined;

  constructor(port: Port, handlers: Handlers<Local>);
  /** One that is closed from the start. */
  constructor(reason: LayerswarmError);
  constructor(port: Port | LayerswarmError, handlers?: Handlers<Local>) {
    this.#handlers = handlers;
    if (port instanceof LayerswarmError) {
      this.#closed = port;
      return;
    }
    this.#port = port;
    port.on('message', (messages) => {
      for (const message of messages) this.#onMessage(message);
    });
  }

  /** The other side is gone. */
  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  /** Calls a method of the other side. `transfer` hands memory over instead of copying it. @throws what the method threw; `aborted` by it */
  async call<K extends keyof Remote & string>(
    method: K,
    params: Remote[K]['params'],
    options: { transfer?: readonly Transferable[]; signal?: AbortSignal | undefined } = {},
  ): Promise<Remote[K]['result']> {
    if (this.#closed !== undefined) throw this.#closed;
    const { promise, resolve, reject } = Promise.withResolvers<Remote[K]['result']>();
    const id = this.#nextId++;
    this.#calls.set(id, { resolve, reject });
    this.#post({ type: 'call', id, method, params }, options.transfer);
    // The other side decides what becomes of the call: it may be too late to stop it.
    using _ = onAbort(options.signal, () => {
      this.#post({ type: 'abort', id });
    });
    return await promise;
  }

  /**
   * Calls a method and wants no answer. `join`: adds what is to be said to the same note where that is the last that waits to be sent, and
   * returns true; so that many short ones travel as one.
   */
  notify<K extends keyof Remote & string>(method: K, params: Remote[K]['params'], join?: (waiting: Remote[K]['params']) => boolean): void {
    const last = this.#outbox.at(-1);
    if (last?.type === 'notify' && last.method === method && join?.(last.params) === true) return;
    this.#post({ type: 'notify', method, params });
  }

  /** The other side is gone: fails every call, also later ones, and stops what it called here. */
  close(reason: LayerswarmError): void {
    if (this.#closed !== undefined) return;
    this.#closed = reason;
    for (const { reject } of this.#calls.values()) reject(reason);
    this.#calls.clear();
    for (const controller of this.#running.values()) controller.abort(reason);
    this.#running.clear();
  }

  #post(message: PortMessage, transfer?: readonly Transferable[]): void {
    if (this.#closed !== undefined) return;
    this.#outbox.push(message);
    if (transfer !== undefined) this.#transfers.push(...transfer);
    if (this.#scheduled === 'turn') return;
    const gatherMs = message.type === 'notify' ? GATHER_MS - (performance.now() - this.#flushedAt) : 0;
    if (gatherMs <= 0) {
      clearTimeout(this.#gathering);
      this.#scheduled = 'turn';
      setImmediate(() => {
        this.#flush();
      });
    } else if (this.#scheduled === undefined) {
      this.#scheduled = 'gather';
      this.#gathering = setTimeout(() => {
        this.#flush();
      }, gatherMs);
    }
  }

  #flush(): void {
    this.#scheduled = undefined;
    this.#flushedAt = performance.now();
    const [messages, transfers] = [this.#outbox, this.#transfers];
    this.#outbox = [];
    this.#transfers = [];
    if (this.#closed === undefined) this.#port?.postMessage(messages, transfers);
  }

  #onMessage(message: PortMessage): void {
    switch (message.type) {
      case 'call':
        void this.#run(message.id, message.method, message.params);
        break;
      case 'notify':
        void this.#notified(message.method, message.params);
        break;
      case 'abort':
        this.#running.get(message.id)?.abort();
        break;
      case 'result':
        this.#settle(message.id)?.resolve(message.value as never);
        break;
      case 'error':
        this.#settle(message.id)?.reject(new LayerswarmError(message.error.code, message.error.message));
        break;
    }
  }

  /** Nobody waits for it: what it throws is a stray error, and no reason to end the thread. */
  async #notified(method: string, params: unknown): Promise<void> {
    await this.#handlers?.[method as keyof Local](params, NEVER);
  }

  async #run(id: number, method: string, params: unknown): Promise<void> {
    const controller = new AbortController();
    this.#running.set(id, controller);
    try {
      const result = this.#handlers![method as keyof Local](params, controller.signal);
      this.#post({ type: 'result', id, value: result instanceof Promise ? await result : result });
    } catch (error) {
      this.#post({ type: 'error', id, error: portError(error) });
    } finally {
      this.#running.delete(id);
    }
  }

  #settle(id: number): PendingCall | undefined {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    return call;
  }
}

/** Errors lose their class and their causes on the way: what a person needs of the cause goes into the message. */
function portError(error: unknown): PortError {
  if (!(error instanceof LayerswarmError)) return { code: 'internal', message: error instanceof Error ? error.message : String(error) };
  const { code, message, cause } = error;
  return { code, message: cause instanceof Error ? `${message} (${cause.message})` : message };
}
