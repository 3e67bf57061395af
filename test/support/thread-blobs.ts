import { randomBytes } from 'node:crypto';
import { Digest } from '../../src/oci/digest.ts';
import { threadOf } from '../../src/swarm/lane/route.ts';

/** One for each thread of a node that has so many. */
export function blobsForThreads(threads: number, bytes: number): Buffer[] {
  return Array.from({ length: threads }, (_, thread) => {
    for (;;) {
      const blob = randomBytes(bytes);
      if (threadOf(Digest.of(blob).toString(), threads) === thread) return blob;
    }
  });
}
