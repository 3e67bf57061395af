import type { IncomingMessage } from 'node:http';
import { LayerswarmError } from '../../errors.ts';

/** A client that sends nothing for this long is taken for dead. */
const UPLOAD_STALL_MS = 60_000;

/** The body of a request. @throws LayerswarmError `timeout` when the client falls silent, `aborted` when it goes away before the end */
export async function* readBody(request: IncomingMessage): AsyncGenerator<Buffer> {
  const timer = setTimeout(
    () => request.destroy(new LayerswarmError('timeout', `the client sent nothing for ${UPLOAD_STALL_MS / 1000} s`)),
    UPLOAD_STALL_MS,
  );
  try {
    // a consumer that stops early must still be able to answer on this connection
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      yield chunk as Buffer;
      timer.refresh();
    }
  } catch (error) {
    if (error instanceof LayerswarmError) throw error;
    throw new LayerswarmError('aborted', 'the client went away before the end of its request', { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** A whole body of at most `maxBytes`. @throws as `readBody`, and `too-large` */
export async function readWholeBody(request: IncomingMessage, maxBytes: number, what: string): Promise<Buffer> {
  const tooLarge = (): LayerswarmError => new LayerswarmError('too-large', `${what} is larger than ${maxBytes} bytes`);
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of readBody(request)) {
    length += chunk.length;
    if (length > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

/** Whether a request carries a body, as RFC 9112 §6 has it. */
export function hasBody(request: IncomingMessage): boolean {
  return request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
}
