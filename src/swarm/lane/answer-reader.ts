import { memoryReader, type ByteReader } from './byte-reader.ts';
import type { LaneAnswer } from './lane.ts';
import { sourceReader } from './source-reader.ts';

/** The bytes of an answer, whichever kind it is; ends its use of the source in every case. */
export function answerReader(answer: LaneAnswer): ByteReader {
  return 'bytes' in answer
    ? memoryReader(answer.bytes)
    : sourceReader(answer.source, answer.range, () => {
        answer.close?.();
      });
}
