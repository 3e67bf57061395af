import { LayerswarmError } from '../../errors.ts';
import { MAX_NOTE_BYTES } from '../lane/frame.ts';
import type { ByteSource, LaneAnswer } from '../lane/lane.ts';
import type { Bitfield } from './core/bitfield.ts';
import type { PieceOrigin } from './provenance.ts';
import { encodeNote } from './statement.ts';
import type { UnfinishedBlob } from './unfinished-blob.ts';

/**
 * [start, end) of a blob that is not proven yet, with the note that goes with it; undefined when that cannot be served.
 * @param servable pieces that others may be given
 */
export function unfinishedAnswer(
  { layout, partial, provenance }: UnfinishedBlob,
  servable: Bitfield,
  start: number,
  end: number,
): LaneAnswer | undefined {
  if (end > layout.size || end <= start) return undefined;
  const first = layout.pieceAt(start);
  const count = layout.pieceAt(end - 1) - first + 1;
  const origins: PieceOrigin[] = [];
  for (let piece = first; piece < first + count; piece++) {
    const origin = provenance.get(piece);
    if (origin === undefined || !servable.has(piece)) return undefined;
    origins.push(origin);
  }
  const note = encodeNote(origins.flatMap(({ statement }) => statement ?? []));
  if (note.length > MAX_NOTE_BYTES) return undefined;
  const source: ByteSource = {
    readInto: (bytes, offset) => {
      // A piece may have been replaced meanwhile: its bytes must not go out with the statement of those before.
      for (const piece of [layout.pieceAt(offset), layout.pieceAt(offset + bytes.length - 1)]) {
        if (provenance.get(piece) !== origins[piece - first])
          throw new LayerswarmError('unavailable', `piece ${piece} was replaced while it was sent`);
      }
      partial.readInto(bytes, offset);
    },
  };
  return { source, range: { start, end }, note };
}
