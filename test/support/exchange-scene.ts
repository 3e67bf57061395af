import { randomBytes } from 'node:crypto';
import type { Digest } from '../../src/oci/digest.ts';
import type { Cleanup } from './cleanup.ts';
import { emptySwarm, type ExchangeSwarm } from './exchange-nodes.ts';
import { MemoryOrigin } from './memory-origin.ts';

export interface Scene {
  readonly swarm: ExchangeSwarm;
  readonly origin: MemoryOrigin;
  readonly blob: Buffer;
  readonly digest: Digest;
}

/** A swarm without nodes yet, and an origin that has one blob of random bytes. */
export function scene(cleanup: Cleanup, size: number): Scene {
  const origin = new MemoryOrigin();
  const blob = randomBytes(size);
  return { swarm: emptySwarm(cleanup), origin, blob, digest: origin.add(blob) };
}
