import { createHash } from 'node:crypto';
import type { Digest } from '../../../oci/digest.ts';

/**
 * Kademlia distance between a member and a blob: XOR of the SHA-256 of the peer id and of the digest. Every member that sees the
 * same members so agrees who is closest, without a vote.
 */
export class MemberDistance {
  readonly #keys = new Map<string, Buffer>();
  readonly #idBytes: (member: string) => Uint8Array | string;

  /** `idBytes`: what is hashed of a member. */
  constructor(idBytes: (member: string) => Uint8Array | string = (member) => member) {
    this.#idBytes = idBytes;
  }

  /** Members in order of their distance to the blob, closest first. */
  rank(blob: Digest, members: Iterable<string>): string[] {
    const target = createHash('sha256').update(blob.toString()).digest();
    return [...members]
      .map((member) => ({ member, distance: xor(this.#key(member), target) }))
      .sort((a, b) => Buffer.compare(a.distance, b.distance))
      .map(({ member }) => member);
  }

  forget(member: string): void {
    this.#keys.delete(member);
  }

  #key(member: string): Buffer {
    let key = this.#keys.get(member);
    if (key === undefined) {
      key = createHash('sha256').update(this.#idBytes(member)).digest();
      this.#keys.set(member, key);
    }
    return key;
  }
}

function xor(a: Buffer, b: Buffer): Buffer {
  const out = Buffer.allocUnsafe(a.length);
  for (let i = 0; i < a.length; i++) out[i] = a[i]! ^ b[i]!;
  return out;
}
