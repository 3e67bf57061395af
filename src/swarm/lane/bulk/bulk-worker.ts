import { parentPort, workerData } from 'node:worker_threads';
import { BulkHost } from './bulk-host.ts';
import type { BulkWorkerOptions, MainMethods, WorkerMethods } from './bulk-protocol.ts';
import { HostedBlobs } from './hosted-blobs.ts';
import { PortRpc } from './port-rpc.ts';

// The worker thread of `BulkWorker`.
if (parentPort === null) throw new Error('this file is a worker thread of its own');

const blobs = new HostedBlobs(() => main);
const host = new BulkHost(workerData as BulkWorkerOptions, () => main, blobs);
const main = new PortRpc<WorkerMethods, MainMethods>(parentPort, { ...host.handlers, ...blobs.handlers });
