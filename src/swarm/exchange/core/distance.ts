import { createHash } from 'node:crypto';
import { base58btc } from 'multiformats/bases/base58';
import type { Digest } from '../../../oci/digest.ts';

/**
 * Kademlia distance between a member and a blob: XOR of the SHA-256 of the peer id and of the digest. Every member that sees the
 * same members so agrees who is closest, without a vote.
 */
export class MemberDistance {
  readonly #keys = new Map<string, Buffer>();
  /** Whoever asks asks for the same blob again and again. */
  #lastTarget: { readonly blob: Digest; readonly key: Buffer } | undefined;
  readonly #idBytes: (member: string) => Uint8Array | string;

  /** `idBytes`: what is hashed of a member; of a peer id the bytes that kad-dht hashes, so that a lookup finds the same member. */
  constructor(idBytes: (member: string) => Uint8Array | string = (member) => base58btc.baseDecode(member)) {
    this.#idBytes = idBytes;
  }

  /** Members in order of their distance to the blob, closest first. */
  rank(blob: Digest, members: Iterable<string>): string[] {
    const target = this.#target(blob);
    return [...members]
      .map((member) => ({ member, key: this.#key(member) }))
      .sort((a, b) => (isCloser(a.key, b.key, target) ? -1 : 1))
      .map(({ member }) => member);
  }

  /** The first of `rank`. @param members one at least */
  closest(blob: Digest, members: Iterable<string>): string {
    const target = this.#target(blob);
    let closest: string | undefined;
    let least: Buffer | undefined;
    for (const member of members) {
      const key = this.#key(member);
      if (least === undefined || isCloser(key, least, target)) [closest, least] = [member, key];
    }
    if (closest === undefined) throw new RangeError('nobody is closest of nobody');
    return closest;
  }

  forget(member: string): void {
    this.#keys.delete(member);
  }

  #target(blob: Digest): Buffer {
    if (this.#lastTarget?.blob !== blob) this.#lastTarget = { blob, key: createHash('sha256').update(blob.toString()).digest() };
    return this.#lastTarget.key;
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

function isCloser(a: Buffer, b: Buffer, target: Buffer): boolean {
  for (let i = 0; i < target.length; i++) {
    const [distanceOfA, distanceOfB] = [a[i]! ^ target[i]!, b[i]! ^ target[i]!];
    if (distanceOfA !== distanceOfB) return distanceOfA < distanceOfB;
  }
  return false;
}
