import { onAbort } from '../../async/abort.ts';
import { LayerswarmError } from '../../errors.ts';
import type { Frame } from '../protocol/frame.ts';
import type { Message, MessageOf, MessageType } from '../protocol/message.ts';
import { fromWireError, toWireError } from '../protocol/wire-error.ts';
import type { MessageHandlers } from './handlers.ts';
import type { Peer } from './network.ts';

/** For one round trip and a little work on the other side. Who asks for more than that gives a time of its own. */
const DEFAULT_REQUEST_TIMEOUT_MS = 10_000;

/** However long a handler takes, its slot is free again after this. */
const HANDLER_TIMEOUT_MS = 120_000;

interface PendingRequest {
  readonly answer: MessageType;
  resolve(message: Message): void;
  reject(error: LayerswarmError): void;
}

/** Requests, answers and notes between this node and one peer, over whatever carries frames in order. */
export class PeerRpc {
  readonly #peer: Peer;
  readonly #handlers: MessageHandlers;
  readonly #write: (frame: Frame) => void;
  readonly #pending = new Map<number, PendingRequest>();
  #nextId = 1;
  #closed: LayerswarmError | undefined;

  /** `write` queues a frame towards the peer and may throw `too-large`. */
  constructor(peer: Peer, handlers: MessageHandlers, write: (frame: Frame) => void) {
    this.#peer = peer;
    this.#handlers = handlers;
    this.#write = write;
  }

  send(message: Message): void {
    if (this.#closed === undefined) this.#write({ kind: 'note', id: 0, message });
  }

  /** @throws `peer-gone`, `timeout`, `aborted`, `peer-misbehaved` (an answer of another type), or the error that the peer answered */
  async request<T extends MessageType>(
    message: Message,
    answer: T,
    options: { signal?: AbortSignal; timeoutMs?: number } = {},
  ): Promise<MessageOf<T>> {
    if (this.#closed !== undefined) throw this.#closed;
    if (options.signal?.aborted === true) throw aborted(message, options.signal);
    const id = this.#nextId;
    this.#nextId = (this.#nextId % 0xffff_ffff) + 1;
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    const timeoutMs = options.timeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS;
    const timer = setTimeout(() => {
      reject(new LayerswarmError('timeout', `peer ${this.#peer.peerId} did not answer "${message.type}" within ${timeoutMs} ms`));
    }, timeoutMs);
    using _ = onAbort(options.signal, () => {
      reject(aborted(message, options.signal!));
    });
    this.#pending.set(id, { answer, resolve, reject });
    try {
      this.#write({ kind: 'request', id, message });
      // The answer's type was compared in `#settle`.
      return (await promise) as MessageOf<T>;
    } finally {
      this.#pending.delete(id);
      clearTimeout(timer);
    }
  }

  /** Takes a frame from the peer. Resolves when its handler is done; never rejects. */
  async receive(frame: Frame): Promise<void> {
    if (this.#closed !== undefined) return;
    if (frame.kind === 'answer') {
      this.#settle(frame);
      return;
    }
    let answer: Message;
    try {
      const handled = this.#handlers.handle(frame.message, this.#peer);
      answer = (handled instanceof Promise ? await withinDeadline(handled) : handled) ?? { type: 'ok' };
    } catch (error) {
      answer = toWireError(error);
    }
    if (frame.kind === 'request') this.#answer(frame.id, answer);
  }

  /** A request came that is not known here. */
  refuse(id: number): void {
    this.#answer(id, toWireError(new LayerswarmError('unsupported', 'this node does not know that message')));
  }

  /** The answer to a request came in a form that is not known here. */
  fail(id: number): void {
    this.#pending
      .get(id)
      ?.reject(new LayerswarmError('unsupported', `peer ${this.#peer.peerId} answered with a message that this version does not know`));
  }

  /** An answer to this request is waited for. */
  awaits(id: number): boolean {
    return this.#pending.has(id);
  }

  /** Fails what is waiting. */
  drop(error: LayerswarmError): void {
    for (const pending of this.#pending.values()) pending.reject(error);
  }

  /** Fails what is waiting, and everything later. */
  close(error: LayerswarmError): void {
    if (this.#closed !== undefined) return;
    this.#closed = error;
    this.drop(error);
  }

  #answer(id: number, message: Message): void {
    if (this.#closed !== undefined) return;
    try {
      this.#write({ kind: 'answer', id, message });
    } catch (error) {
      this.#write({ kind: 'answer', id, message: toWireError(error) });
    }
  }

  #settle(frame: Frame): void {
    const pending = this.#pending.get(frame.id);
    // An answer that came after its deadline has nobody waiting for it.
    if (pending === undefined) return;
    if (frame.message.type === 'error') pending.reject(fromWireError(this.#peer.peerId, frame.message));
    else if (frame.message.type === pending.answer) pending.resolve(frame.message);
    else
      pending.reject(
        new LayerswarmError(
          'peer-misbehaved',
          `peer ${this.#peer.peerId} answered "${frame.message.type}" where "${pending.answer}" was expected`,
        ),
      );
  }
}

function aborted(message: Message, signal: AbortSignal): LayerswarmError {
  return new LayerswarmError('aborted', `the request "${message.type}" was aborted`, { cause: signal.reason });
}

async function withinDeadline<T>(work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new LayerswarmError('timeout', 'the handler did not finish in time'));
  }, HANDLER_TIMEOUT_MS);
  timer.unref();
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}
