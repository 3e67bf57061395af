import { MessageChannel } from 'node:worker_threads';
import { LayerswarmError } from '../../src/errors.ts';
import type { Origin } from '../../src/origin/origin.ts';
import type { RegistryOrigin } from '../../src/origin/registry-origin.ts';
import { type Handlers, PortRpc } from '../../src/swarm/thread/port-rpc.ts';
import { ThreadOrigins } from '../../src/swarm/thread/thread-origins.ts';
import type { MainMethods, WorkerMethods } from '../../src/swarm/thread/thread-protocol.ts';
import { WorkerOrigins } from '../../src/swarm/thread/worker-origins.ts';
import type { Cleanup } from './cleanup.ts';

/** What a bulk thread reads blobs of `origin` with, and the main thread's side of it, joined by a channel within one thread. */
export interface OriginThread {
  /** Reads blobs over there; everything else is the origin itself. */
  readonly origin: Origin;
  /** The thread is gone. */
  readonly end: () => void;
}

export function originThread(cleanup: Cleanup, origin: RegistryOrigin): OriginThread {
  const { port1, port2 } = new MessageChannel();
  cleanup.teardown(() => {
    port1.close();
  });
  const main = new ThreadOrigins(
    () => origin,
    () => toWorker,
  );
  const noNetwork = { lane: async () => await Promise.reject(new LayerswarmError('peer-gone', 'there are no members')) };
  const worker = new WorkerOrigins(() => toMain, noNetwork, undefined);
  // Of all methods of the two threads those that have to do with origins.
  const toWorker = new PortRpc<MainMethods, WorkerMethods>(port1, main.handlers as unknown as Handlers<MainMethods>);
  const toMain = new PortRpc<WorkerMethods, MainMethods>(port2, worker.handlers as unknown as Handlers<WorkerMethods>);
  const reader = worker.get(main.ref(origin));
  const reads: Partial<Origin> = {
    blobSize: (...args) => reader.blobSize(...args),
    async *readBlob(...args) {
      try {
        yield* reader.readBlob(...args);
      } finally {
        main.count(worker.takeRead());
      }
    },
  };
  return {
    origin: new Proxy(origin, {
      get: (target, key) => {
        const value: unknown = reads[key as keyof Origin] ?? Reflect.get(target, key, target);
        return typeof value === 'function' ? (value as () => unknown).bind(target) : value;
      },
    }),
    end: () => {
      for (const side of [toWorker, toMain]) side.close(new LayerswarmError('unavailable', 'the thread has ended'));
      main.drop();
    },
  };
}
