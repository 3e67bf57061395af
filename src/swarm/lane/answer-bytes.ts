import { open } from 'node:fs/promises';
import { LayerswarmError } from '../../errors.ts';
import { iterableReader, memoryReader, type ByteReader } from './byte-reader.ts';
import { fileReader } from './file-reader.ts';
import type { FileRange, LaneAnswer } from './lane.ts';

const READ_BYTES = 256 * 1024;

/** The bytes of an answer, whichever kind it is; ends its use of the source in every case. */
export async function* answerBytes(answer: LaneAnswer): AsyncGenerator<Uint8Array, void, undefined> {
  if ('chunks' in answer) {
    yield* answer.chunks;
    return;
  }
  if ('bytes' in answer) {
    yield answer.bytes;
    return;
  }
  try {
    yield* fileBytes(answer.file);
  } finally {
    answer.close?.();
  }
}

/** The same for the send queue of a lane. */
export function answerReader(answer: LaneAnswer): ByteReader {
  if ('chunks' in answer) return iterableReader(answer.chunks);
  return 'bytes' in answer ? memoryReader(answer.bytes) : fileReader(answer.file, () => { answer.close?.(); });
}

/** Reads a range of a file, each chunk in memory of its own. @throws `not-found` when the file is gone, or too short */
export async function* fileBytes(range: FileRange): AsyncGenerator<Uint8Array, void, undefined> {
  await using file = await open(range.path).catch((cause: unknown) => {
    throw new LayerswarmError('not-found', `cannot open ${range.path} to serve it to a peer`, { cause });
  });
  for (let at = range.start; at < range.end;) {
    const length = Math.min(READ_BYTES, range.end - at);
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafeSlow(length), 0, length, at);
    if (bytesRead === 0) throw new LayerswarmError('not-found', `${range.path} ends at byte ${at}, before byte ${range.end} that a peer asked for`);
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
