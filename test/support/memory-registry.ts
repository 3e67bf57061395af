import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Digest } from '../../src/oci/digest.ts';
import { anonymous } from '../../src/origin/credentials.ts';
import { RegistryOrigin } from '../../src/origin/registry-origin.ts';
import type { Cleanup } from './cleanup.ts';
import { serve } from './http-server.ts';
import { MemoryOrigin } from './memory-origin.ts';

/** The blobs of an origin in memory, served over HTTP: for tests of what reads them in another thread. */
export interface MemoryRegistry {
  readonly content: MemoryOrigin;
  /** One for each node. */
  readonly client: () => RegistryOrigin;
}

export async function memoryRegistry(cleanup: Cleanup): Promise<MemoryRegistry> {
  const content = new MemoryOrigin();
  const { url } = await serve(cleanup, (request, response) => {
    void answer(content, request, response);
  });
  return {
    content,
    client: () => {
      const client = new RegistryOrigin({ url, credentials: anonymous });
      cleanup.teardown(() => client.close());
      return client;
    },
  };
}

async function answer(content: MemoryOrigin, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const digest = Digest.parse(request.url!.split('/').at(-1)!);
  const size = content.blobs.get(digest.toString())?.length;
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
  if (size === undefined) response.writeHead(404).end();
  else if (request.method === 'HEAD') response.writeHead(200, { 'content-length': size }).end();
  else {
    const [start, end] = first === undefined ? [0, size] : [Number(first), Number(last) + 1];
    response.writeHead(206, { 'content-length': end - start, 'content-range': `bytes ${start}-${end - 1}/${size}` });
    // Whoever reads may have left.
    await pipeline(Readable.from(content.readBlob('', digest, { start, end })), response).catch(() => undefined);
  }
}
