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
}

/** Writes an answer; resolves with the body bytes written once all of it is with the kernel. Throws where the connection must be cut. */
export async function sendResponse(to: ServerResponse, response: RegistryResponse, options: SendOptions): Promise<number> {
  to.writeHead(response.status, response.headers);
  const { body } = response;
  if (options.headersOnly || body === undefined || Buffer.isBuffer(body)) {
    const bytes = options.headersOnly ? undefined : body as Buffer | undefined;
    to.end(bytes);
    await settled(to, 'finish', options);
    return bytes?.length ?? 0;
  }
  // the client can start on the headers while the first bytes are still being proven
  to.flushHeaders();
  const sent = await sendStream(to, body, options);
  to.end();
  await settled(to, 'finish', options);
  return sent;
}

async function sendStream(to: ServerResponse, body: StreamedBody, options: SendOptions): Promise<number> {
  let sent = 0;
  for await (const chunk of body.bytes(options.signal)) {
    sent += chunk.length;
    if (body.length !== undefined && sent > body.length) throw new LayerswarmError('internal', `a body of ${body.length} bytes went on after its end`);
    if (!to.write(chunk)) await settled(to, 'drain', options);
  }
  if (body.length !== undefined && sent !== body.length) throw new LayerswarmError('internal', `a body of ${body.length} bytes ended after ${sent}`);
  return sent;
}

/** Waits for `event`. @throws StalledClient when the client takes nothing for too long; LayerswarmError `aborted` when it is gone */
function settled(to: ServerResponse, event: 'drain' | 'finish', { stallTimeoutMs, signal }: SendOptions): Promise<void> {
  if (event === 'finish' && to.writableFinished) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const finish = (error?: LayerswarmError): void => {
      clearTimeout(timer);
      to.off(event, onEvent);
      signal.removeEventListener('abort', onGone);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onEvent = (): void => finish();
    const onGone = (): void => finish(to.writableFinished ? undefined : new LayerswarmError('aborted', 'the client went away'));
    const timer = setTimeout(() => finish(new StalledClient(`the client took no byte for ${stallTimeoutMs / 1000} s`)), stallTimeoutMs);
    to.once(event, onEvent);
    signal.addEventListener('abort', onGone);
    if (signal.aborted) onGone();
  });
}
