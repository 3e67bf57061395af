import { memoryReader, type ByteReader } from './byte-reader.ts';
import { fileReader } from './file-reader.ts';
import type { LaneAnswer } from './lane.ts';

/** The bytes of an answer, whichever kind it is; `close` of the reader ends its use of the source. */
export function answerReader(answer: LaneAnswer): ByteReader {
  return 'bytes' in answer ? memoryReader(answer.bytes) : fileReader(answer.file, () => { answer.close?.(); });
}
