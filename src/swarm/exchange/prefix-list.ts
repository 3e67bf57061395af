import { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Checkpoints } from '../../store/blob-store.ts';
import type { BlobNetwork } from '../network/network.ts';
import type { MessageOf } from '../protocol/message.ts';

/**
 * The digests of a blob's prefixes at each checkpoint, as somebody who proved the blob computed and signed them. A claim, not a
 * proof: it finds a bad range early, and can be forged to accuse an honest sender.
 */
export interface PrefixList extends Checkpoints {
  readonly signer: string;
}

/** Lists are sent as one message; beyond this many digests a blob is checked at its end only. */
const MAX_LIST_BYTES = 1 << 20;

export async function signList(network: BlobNetwork, blob: Digest, list: Checkpoints): Promise<MessageOf<'list'> | undefined> {
  const digests = Buffer.concat(list.digests);
  if (digests.length > MAX_LIST_BYTES) return undefined;
  const signature = Uint8Array.from(await network.sign(signedBytes(blob, list.size, list.checkpointLength, digests)));
  return { type: 'list', blob: blob.toString(), size: list.size, checkpointLength: list.checkpointLength, digests, signature };
}

/** @throws LayerswarmError `peer-misbehaved` when it cannot be a list of this blob, or is not the signer's */
export async function parseList(
  network: BlobNetwork,
  signer: string,
  blob: Digest,
  size: number,
  message: MessageOf<'list'>,
): Promise<PrefixList> {
  const digestLength = blob.hex.length / 2;
  const count = Math.max(1, Math.ceil(size / message.checkpointLength));
  const fits = message.blob === blob.toString() && message.size === size && message.digests.length === count * digestLength;
  const bytes = Buffer.from(message.digests);
  const digests = Array.from({ length: fits ? count : 0 }, (_, i) => bytes.subarray(i * digestLength, (i + 1) * digestLength));
  if (!fits || !digests.at(-1)!.equals(blob.bytes())) {
    throw new LayerswarmError('peer-misbehaved', `the list of prefix digests from ${signer} is not one of ${blob.toString()}`);
  }
  if (!(await network.verify(signer, signedBytes(blob, size, message.checkpointLength, bytes), message.signature))) {
    throw new LayerswarmError('peer-misbehaved', `the list of prefix digests from ${signer} carries a wrong signature`);
  }
  return { signer, size, checkpointLength: message.checkpointLength, digests };
}

function signedBytes(blob: Digest, size: number, checkpointLength: number, digests: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`layerswarm list 1\n${blob.toString()}\n${size}\n${checkpointLength}\n`), digests]);
}
