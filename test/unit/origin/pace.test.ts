import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { Digest } from '../../../src/oci/digest.ts';
import { anonymous } from '../../../src/origin/credentials.ts';
import { RegistryOrigin } from '../../../src/origin/registry-origin.ts';
import { serve } from '../../support/http-server.ts';
import { collect } from './conformance.ts';

const PART = 4_000_000;
const layer = randomBytes(2 * PART);
const CRAWL_BYTES = 2_000;
const CRAWL_MS = 50;

/** A store where the connections that `isCrawling` picks, by their number, give some 40 kB/s, and all others what they can. */
async function startStore(
  t: Parameters<typeof serve>[0],
  isCrawling: (connection: number) => boolean,
): Promise<{ url: string; crawled: { bytes: number; requests: number } }> {
  const connections = new Map<Socket, number>();
  const crawled = { bytes: 0, requests: 0 };
  const { url } = await serve(t, (request, response) => {
    const { socket } = request;
    if (!connections.has(socket)) connections.set(socket, connections.size);
    const [start = 0, last = 0] = (/(\d+)-(\d+)/.exec(request.headers.range ?? '')?.slice(1) ?? []).map(Number);
    response.writeHead(206, { 'content-range': `bytes ${start}-${last}/${layer.length}`, 'content-length': last + 1 - start });
    if (!isCrawling(connections.get(socket)!)) {
      response.end(layer.subarray(start, last + 1));
      return;
    }
    crawled.requests++;
    void (async () => {
      for (let at = start; at <= last && !response.destroyed; at += CRAWL_BYTES) {
        const part = layer.subarray(at, Math.min(last + 1, at + CRAWL_BYTES));
        crawled.bytes += part.length;
        response.write(part);
        await delay(CRAWL_MS);
      }
      response.end();
    })();
  });
  return { url, crawled };
}

test('a read that crawls beside its siblings goes on over another connection', async (t) => {
  const { url, crawled } = await startStore(t, (connection) => connection % 4 === 3);
  const origin = new RegistryOrigin({ url, credentials: anonymous });
  t.teardown(() => origin.close());
  const read = (start: number): Promise<Buffer> => collect(origin.readBlob('app', Digest.of(layer), { start, end: start + PART }));
  const parts = await Promise.all(Array.from({ length: 8 }, (_, index) => read(index * 100_000)));
  for (const [index, part] of parts.entries()) t.true(part.equals(layer.subarray(index * 100_000, index * 100_000 + PART)));
  t.true(crawled.requests >= 2, 'the fault hit');
  t.true(crawled.bytes < (crawled.requests * PART) / 4, `${crawled.requests} crawling reads gave ${crawled.bytes} bytes`);
});

test('where everything is slow, nothing is begun anew', async (t) => {
  const { url, crawled } = await startStore(t, () => true);
  const origin = new RegistryOrigin({ url, credentials: anonymous });
  t.teardown(() => origin.close());
  const parts = await Promise.all(
    Array.from({ length: 6 }, (_, index) => collect(origin.readBlob('app', Digest.of(layer), { start: index, end: index + 150_000 }))),
  );
  for (const [index, part] of parts.entries()) t.true(part.equals(layer.subarray(index, index + 150_000)));
  t.is(crawled.requests, 6);
});
