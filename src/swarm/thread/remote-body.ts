import { EventEmitter } from 'node:events';
import type { AnswerBody } from '../../origin/transport.ts';

export interface RemoteBodyParts {
  /** Up to `limit` bytes from the beginning. */
  excerpt(limit: number): Promise<Uint8Array>;
  /** Nobody reads it. */
  discard(): void;
}

/** More than any message has to say. */
const EXCERPT_BYTES = 64 * 1024;

/** The body of an answer that another thread has. It is read there; here only what a message is made of. */
export class RemoteBody extends EventEmitter<{ close: []; error: [] }> implements AnswerBody {
  closed = false;
  readonly #parts: RemoteBodyParts;

  constructor(parts: RemoteBodyParts) {
    super();
    this.#parts = parts;
  }

  async dump(): Promise<void> {
    await Promise.resolve(this.#parts.discard());
  }

  destroy(): void {
    this.#parts.discard();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    yield await this.#parts.excerpt(EXCERPT_BYTES);
  }

  /** It is read, given up or cut over there. */
  close(): void {
    this.closed = true;
    this.emit('close');
  }
}
