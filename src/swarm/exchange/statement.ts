import { createHash } from 'node:crypto';
import { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { BlobNetwork } from '../network/network.ts';

/**
 * "These bytes of this blob I read from the origin (or hold proven) and passed on": what a member signs over a piece, so that a
 * wrong one can be traced to whoever brought it into the swarm, through any number of relays.
 *
 * On the wire: version 1 (1 byte), length of the peer id (1), peer id (ASCII), start (8, big endian), length (4), SHA-256 of the
 * bytes (32), Ed25519 signature (64). A note is statements one after the other.
 */
export interface Statement {
  readonly signer: string;
  readonly start: number;
  readonly length: number;
  readonly sha256: Buffer;
  readonly signature: Uint8Array;
}

const VERSION = 1;
const FIXED_BYTES = 1 + 1 + 8 + 4 + 32 + 64;
const MAX_STATEMENTS = 32;

export async function makeStatement(network: BlobNetwork, blob: Digest, start: number, bytes: Uint8Array): Promise<Statement> {
  return await signStatement(network, blob, { start, length: bytes.length, sha256: createHash('sha256').update(bytes).digest() });
}

export async function signStatement(network: BlobNetwork, blob: Digest, { start, length, sha256 }: Pick<Statement, 'start' | 'length' | 'sha256'>): Promise<Statement> {
  const signature = Uint8Array.from(await network.sign(signedBytes(blob, start, length, sha256)));
  return { signer: network.self, start, length, sha256, signature };
}

/** Whether the statement is its signer's, and about these bytes. */
export async function statementHolds(network: BlobNetwork, blob: Digest, statement: Statement, bytes: Uint8Array): Promise<boolean> {
  if (bytes.length !== statement.length) return false;
  if (!createHash('sha256').update(bytes).digest().equals(statement.sha256)) return false;
  return statementIsSigned(network, blob, statement);
}

export function statementIsSigned(network: BlobNetwork, blob: Digest, { signer, start, length, sha256, signature }: Statement): Promise<boolean> {
  return network.verify(signer, signedBytes(blob, start, length, sha256), signature);
}

export function encodeNote(statements: readonly Statement[]): Buffer {
  return Buffer.concat(
    statements.map(({ signer, start, length, sha256, signature }) => {
      const fixed = Buffer.alloc(14 + signer.length);
      fixed[0] = VERSION;
      fixed[1] = signer.length;
      fixed.write(signer, 2, 'latin1');
      fixed.writeBigUInt64BE(BigInt(start), 2 + signer.length);
      fixed.writeUInt32BE(length, 10 + signer.length);
      return Buffer.concat([fixed, sha256, signature]);
    }),
  );
}

/** @throws LayerswarmError `peer-misbehaved` */
export function parseNote(note: Uint8Array): Statement[] {
  const bytes = Buffer.from(note.buffer, note.byteOffset, note.byteLength);
  const statements: Statement[] = [];
  for (let at = 0; at < bytes.length; ) {
    const idLength = bytes[at + 1] ?? 0;
    const end = at + FIXED_BYTES + idLength;
    if (bytes[at] !== VERSION || end > bytes.length || statements.length === MAX_STATEMENTS) {
      throw new LayerswarmError('peer-misbehaved', 'a note of statements is malformed');
    }
    const afterId = at + 2 + idLength;
    const start = bytes.readBigUInt64BE(afterId);
    if (start > BigInt(Number.MAX_SAFE_INTEGER)) throw new LayerswarmError('peer-misbehaved', 'a statement starts beyond any blob');
    statements.push({
      signer: bytes.toString('latin1', at + 2, afterId),
      start: Number(start),
      length: bytes.readUInt32BE(afterId + 8),
      sha256: Buffer.from(bytes.subarray(afterId + 12, afterId + 44)),
      signature: Uint8Array.from(bytes.subarray(afterId + 44, end)),
    });
    at = end;
  }
  return statements;
}

function signedBytes(blob: Digest, start: number, length: number, sha256: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`layerswarm statement 1\n${blob.toString()}\n${start}\n${length}\n`), sha256]);
}
