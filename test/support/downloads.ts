import { Bitfield } from '../../src/swarm/exchange/core/bitfield.ts';
import { Download, type Command } from '../../src/swarm/exchange/core/download.ts';
import { PieceLayout } from '../../src/swarm/exchange/core/piece-layout.ts';

/** Bytes. */
export const PIECE = 65_536;

/** Of a blob in so many pieces; draws the first of what it draws from. */
export function download(pieces = 16): Download {
  return new Download(new PieceLayout(pieces * PIECE, PIECE), () => 0);
}

/** The commands of one type. */
export function of<T extends Command['type']>(commands: readonly Command[], type: T): Extract<Command, { type: T }>[] {
  return commands.filter((command): command is Extract<Command, { type: T }> => command.type === type);
}

/** Just these pieces. */
export function bits(download: Download, ...pieces: number[]): Bitfield {
  const bitfield = new Bitfield(download.layout.pieceCount);
  for (const piece of pieces) bitfield.set(piece);
  return bitfield;
}
