import type { ServerResponse } from 'node:http';
import { LayerswarmError } from '../../errors.ts';
import type { RegistryResponse, StreamedBody } from './message.ts';

/** The client stopped reading: not a time-out of the content's own source. */
export class StalledClient extends LayerswarmError {
  constructor(message: string) {
    super('timeout', message);
    this.name = 'StalledClient';
  }
}

export interface SendOptions {
  /** HEAD: everything but the body. */
  readonly headersOnly: boolean;
  /** Milliseconds for which a client may take nothing before its connection is cut. */
  readonly stallTimeoutMs: number;
  /** Aborts when the client is gone. */
  readonly signal: AbortSignal;
  /** Told of the bytes of a streamed body as the kernel takes them. */
  readonly onBytes: (bytes: number) => void;
}

/** Writes an answer; resolves once all of it is with the kernel. Throws where the connection must be cut. */
export async function sendResponse(to: ServerResponse, response: RegistryResponse, options: SendOptions): Promise<void> {
  to.writeHead(response.status, response.headers);
  const { body } = response;
  if (options.headersOnly || body === undefined || Buffer.isBuffer(body)) {
    const bytes = options.headersOnly ? undefined : (body as Buffer | undefined);
    await taken(to, options, (done) => to.end(bytes, done));
    return;
  }
  // the client can start on the headers while the first bytes are still being proven
  to.flushHeaders();
  await sendStream(to, body, options);
  await taken(to, options, (done) => to.end(done));
}

async function sendStream(to: ServerResponse, body: StreamedBody, options: SendOptions): Promise<void> {
  let sent = 0;
  for await (const chunk of body.bytes(options.signal)) {
    sent += chunk.length;
    if (body.length !== undefined && sent > body.length)
      throw new LayerswarmError('internal', `a body of ${body.length} bytes went on after its end`);
    await taken(to, options, (done) => to.write(chunk, done));
    options.onBytes(chunk.length);
  }
  if (body.length !== undefined && sent !== body.length)
    throw new LayerswarmError('internal', `a body of ${body.length} bytes ended after ${sent}`);
}

/**
 * Writes, and waits until the kernel has taken all of it: one chunk at a time, so that its source may use the memory again.
 * @throws StalledClient when the client takes nothing for too long; LayerswarmError `aborted` when it is gone
 */
function taken(to: ServerResponse, { stallTimeoutMs, signal }: SendOptions, write: (done: () => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (error?: LayerswarmError): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onGone);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onGone = (): void => finish(to.writableFinished ? undefined : new LayerswarmError('aborted', 'the client went away'));
    const timer = setTimeout(() => finish(new StalledClient(`the client took no byte for ${stallTimeoutMs / 1000} s`)), stallTimeoutMs);
    signal.addEventListener('abort', onGone);
    if (signal.aborted) onGone();
    else write(() => (to.destroyed && !to.writableFinished ? onGone() : finish()));
  });
}
