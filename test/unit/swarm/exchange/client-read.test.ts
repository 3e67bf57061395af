import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import { Digest } from '../../../../src/oci/digest.ts';
import type { BlobStore } from '../../../../src/store/blob-store.ts';
import { clientBytes, type BlobOnItsWay } from '../../../../src/swarm/exchange/client-read.ts';

const digest = Digest.parse(`sha256:${'0'.repeat(64)}`);
const noStore = {} as BlobStore;

test.serial("a transfer that fails after its client has gone is nobody's error", async (t) => {
  const stray: unknown[] = [];
  const note = (error: unknown): void => {
    stray.push(error);
  };
  process.on('unhandledRejection', note);
  t.teardown(() => process.off('unhandledRejection', note));
  const { promise, reject } = Promise.withResolvers<void>();
  const transfer: BlobOnItsWay = { digest, done: () => promise, vouchedPiece: () => Promise.resolve(undefined) };
  const gone = AbortSignal.abort(new Error('the client went away'));
  await t.throwsAsync(clientBytes(transfer, noStore, 0, 10, { emit: 'proven', onVouched: () => undefined }, gone).next(), {
    message: 'the client went away',
  });
  reject(new Error('no source'));
  await setImmediate();
  t.deepEqual(stray, []);
});
