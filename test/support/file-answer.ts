import { open } from 'node:fs/promises';
import type { ByteRange, LaneAnswer } from '../../src/swarm/lane/lane.ts';

/** A range of a file as the answer to a request; the file is opened for each part that is read. */
export function fileAnswer(path: string, range: ByteRange, note: Uint8Array = new Uint8Array(0), close?: () => void): LaneAnswer {
  const source = {
    readInto: async (bytes: Uint8Array, offset: number): Promise<void> => {
      await using file = await open(path);
      const { bytesRead } = await file.read(bytes, 0, bytes.length, offset);
      if (bytesRead < bytes.length) throw new Error(`${path} ends at byte ${offset + bytesRead}`);
    },
  };
  return { source, range, note, ...(close === undefined ? {} : { close }) };
}
