import { createServer } from 'node:net';

/** Below the range from which the kernel gives out ports by itself (ip(7), ip_local_port_range). */
const [FIRST, COUNT] = [20_000, 12_000];

/** A free port of 127.0.0.1 that is likely still free when a server that stopped comes back to it. */
export async function lastingPort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (await isFree(port)) return port;
  }
}

/** Nobody listens there on 127.0.0.1. */
export async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  server.once('error', () => resolve(false));
  server.listen(port, '127.0.0.1', () => resolve(true));
  const free = await promise;
  if (free) {
    const closed = Promise.withResolvers<void>();
    server.close(() => closed.resolve());
    await closed.promise;
  }
  return free;
}
