import { hash as hashOf } from 'node:crypto';
import { BoundedMap } from '../../bounded-map.ts';
import { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { BlobNetwork } from '../network/network.ts';

/**
 * "These bytes of this blob I read from the origin (or hold proven) and passed on": what a member says of a piece, so that a wrong one can be
 * traced to whoever brought it into the swarm, through any number of relays. Pieces that are read together are signed together: one signature
 * over the root of a Merkle tree whose leaves are what is said of each. A piece travels with its place there and the hashes beside its way up.
 *
 * On the wire: version 2 (1 byte), length of the peer id (1), peer id (ASCII), start (8, big endian), length (4), SHA-256 of the
 * bytes (32), place (1), hashes beside the way (1, then 32 each), Ed25519 signature (64). A note is statements one after the other.
 */
export interface Statement {
  readonly signer: string;
  readonly start: number;
  readonly length: number;
  readonly sha256: Buffer;
  /** Among the leaves. */
  readonly place: number;
  /** From the leaf up. */
  readonly path: readonly Buffer[];
  readonly signature: Uint8Array;
}

/** What is said of one piece. */
export type PieceHash = Pick<Statement, 'start' | 'length' | 'sha256'>;

const VERSION = 2;
const HASH_BYTES = 32;
const MAX_STATEMENTS = 32;
const MAX_PATH = 6;
/** Pieces that one signature is for, at most. */
export const MAX_SIGNED = 2 ** MAX_PATH;
/** Signatures that were looked at, which other pieces come with as well. */
const MAX_KNOWN = 4096;

const NOTHING = Buffer.alloc(HASH_BYTES);
const known = new BoundedMap<string, boolean>(MAX_KNOWN);

export async function makeStatement(network: BlobNetwork, blob: Digest, start: number, bytes: Uint8Array): Promise<Statement> {
  const [statement] = await signStatements(network, blob, [{ start, length: bytes.length, sha256: sha256(bytes) }]);
  return statement!;
}

/** One signature for all of them. @param pieces 1 to `MAX_SIGNED` */
export async function signStatements(network: BlobNetwork, blob: Digest, pieces: readonly PieceHash[]): Promise<Statement[]> {
  let level = pieces.map(leafOf);
  const paths: Buffer[][] = pieces.map(() => []);
  for (let width = 1; level.length > 1; width *= 2) {
    if (level.length % 2 === 1) level.push(NOTHING);
    for (const [place, path] of paths.entries()) path.push(level[Math.floor(place / width) ^ 1]!);
    level = Array.from({ length: level.length / 2 }, (_, i) => parentOf(level[2 * i]!, level[2 * i + 1]!));
  }
  const signature = Uint8Array.from(await network.sign(signedBytes(blob, level[0]!)));
  return pieces.map(({ start, length, sha256: hash }, place) => ({
    signer: network.self,
    start,
    length,
    sha256: hash,
    place,
    path: paths[place]!,
    signature,
  }));
}

/** Whether the statement is its signer's, and about these bytes. */
export async function statementHolds(network: BlobNetwork, blob: Digest, statement: Statement, bytes: Uint8Array): Promise<boolean> {
  if (bytes.length !== statement.length) return false;
  if (!sha256(bytes).equals(statement.sha256)) return false;
  return await statementIsSigned(network, blob, statement);
}

export async function statementIsSigned(network: BlobNetwork, blob: Digest, statement: Statement): Promise<boolean> {
  const { signer, place, path, signature } = statement;
  let hash = leafOf(statement);
  for (const [i, beside] of path.entries()) hash = (place >> i) % 2 === 0 ? parentOf(hash, beside) : parentOf(beside, hash);
  const signed = signedBytes(blob, hash);
  const key = Buffer.concat([signed, signature]).toString('latin1') + signer;
  const found = known.get(key);
  if (found !== undefined) return found;
  const holds = await network.verify(signer, signed, signature);
  known.set(key, holds);
  return holds;
}

export function encodeNote(statements: readonly Statement[]): Buffer {
  return Buffer.concat(statements.map(encode));
}

function encode({ signer, start, length, sha256: hash, place, path, signature }: Statement): Buffer {
  const fixed = Buffer.alloc(14 + signer.length);
  fixed[0] = VERSION;
  fixed[1] = signer.length;
  fixed.write(signer, 2, 'latin1');
  fixed.writeBigUInt64BE(BigInt(start), 2 + signer.length);
  fixed.writeUInt32BE(length, 10 + signer.length);
  return Buffer.concat([fixed, hash, Uint8Array.of(place, path.length), ...path, signature]);
}

/** @throws LayerswarmError `peer-misbehaved` */
export function parseNote(note: Uint8Array): Statement[] {
  const bytes = Buffer.from(note.buffer, note.byteOffset, note.byteLength);
  const statements: Statement[] = [];
  for (let at = 0; at < bytes.length;) {
    const afterId = at + 2 + (bytes[at + 1] ?? 0);
    const afterHash = afterId + 12 + HASH_BYTES;
    const [place, steps] = [bytes[afterHash] ?? 0, bytes[afterHash + 1] ?? 0];
    const afterPath = afterHash + 2 + steps * HASH_BYTES;
    const end = afterPath + 64;
    if (bytes[at] !== VERSION || end > bytes.length || steps > MAX_PATH || place >= 2 ** steps || statements.length === MAX_STATEMENTS) {
      throw new LayerswarmError('peer-misbehaved', 'a note of statements is malformed');
    }
    const start = bytes.readBigUInt64BE(afterId);
    if (start > BigInt(Number.MAX_SAFE_INTEGER)) throw new LayerswarmError('peer-misbehaved', 'a statement starts beyond any blob');
    statements.push({
      signer: bytes.toString('latin1', at + 2, afterId),
      start: Number(start),
      length: bytes.readUInt32BE(afterId + 8),
      sha256: Buffer.from(bytes.subarray(afterId + 12, afterHash)),
      place,
      path: Array.from({ length: steps }, (_, i) =>
        Buffer.from(bytes.subarray(afterHash + 2 + i * HASH_BYTES, afterHash + 2 + (i + 1) * HASH_BYTES)),
      ),
      signature: Uint8Array.from(bytes.subarray(afterPath, end)),
    });
    at = end;
  }
  return statements;
}

/** Leaves and what is above them are hashed apart, so that neither can be taken for the other. */
function leafOf({ start, length, sha256: hash }: PieceHash): Buffer {
  const head = Buffer.alloc(13);
  head.writeBigUInt64BE(BigInt(start), 1);
  head.writeUInt32BE(length, 9);
  return sha256(Buffer.concat([head, hash]));
}

function parentOf(left: Uint8Array, right: Uint8Array): Buffer {
  return sha256(Buffer.concat([Uint8Array.of(1), left, right]));
}

export function sha256(bytes: Uint8Array): Buffer {
  return hashOf('sha256', bytes, 'buffer');
}

function signedBytes(blob: Digest, root: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`layerswarm statement 2\n${blob.toString()}\n`), root]);
}
