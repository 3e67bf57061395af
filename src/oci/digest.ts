import { createHash, type Hash } from 'node:crypto';
import { LayerswarmError } from '../errors.ts';

export type DigestAlgorithm = 'sha256' | 'sha512';

const HEX_LENGTH: Record<DigestAlgorithm, number> = { sha256: 64, sha512: 128 };

/**
 * A content digest, `algorithm:hex`, with the two algorithms that the OCI image specification registers
 * (descriptor.md, "Registered algorithms"). Instances exist only for well-formed digests.
 */
export class Digest {
  readonly algorithm: DigestAlgorithm;
  /** Lower-case hexadecimal, 64 or 128 characters. */
  readonly hex: string;

  private constructor(algorithm: DigestAlgorithm, hex: string) {
    this.algorithm = algorithm;
    this.hex = hex;
  }

  /** @throws LayerswarmError `digest-invalid` */
  static parse(text: string): Digest {
    const digest = Digest.tryParse(text);
    if (digest === undefined) {
      throw new LayerswarmError('digest-invalid', `expected a digest such as sha256:<64 hex digits>, received "${text.slice(0, 100)}"`);
    }
    return digest;
  }

  static tryParse(text: string): Digest | undefined {
    const match = /^(sha256|sha512):([0-9a-f]+)$/.exec(text);
    if (match === null) return undefined;
    const algorithm = match[1] as DigestAlgorithm;
    const hex = match[2]!;
    return hex.length === HEX_LENGTH[algorithm] ? new Digest(algorithm, hex) : undefined;
  }

  static of(bytes: Uint8Array, algorithm: DigestAlgorithm = 'sha256'): Digest {
    return Digest.fromHash(createHash(algorithm).update(bytes), algorithm);
  }

  /** Finishes `hash`, which must have been made for `algorithm`. */
  static fromHash(hash: Hash, algorithm: DigestAlgorithm = 'sha256'): Digest {
    return new Digest(algorithm, hash.digest('hex'));
  }

  /** The raw digest: 32 or 64 bytes. */
  bytes(): Buffer {
    return Buffer.from(this.hex, 'hex');
  }

  equals(other: Digest): boolean {
    return this.hex === other.hex && this.algorithm === other.algorithm;
  }

  toString(): string {
    return `${this.algorithm}:${this.hex}`;
  }

  toJSON(): string {
    return this.toString();
  }
}
