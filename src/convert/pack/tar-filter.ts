import { LayerswarmError } from '../../errors.ts';
import {
  bodySize,
  checkType,
  entryName,
  isFile,
  isZeroDevice,
  paxRecords,
  TAR_BLOCK as BLOCK,
  TAR_TYPE as TYPE,
  type PaxRecords,
} from './tar-header.ts';

/** Extended headers are held until the entry that they belong to is known; xattrs and long names fit this many times over. */
const MAX_HELD_BYTES = 4 * 1024 * 1024;
const MAX_DROPPED_NAMES = 100_000;
const NO_RECORDS: PaxRecords = new Map();

export interface FilterCounts {
  /** All that came, those taken out among them. */
  entries: number;
  /** Of the bodies of files. */
  bytes: number;
  /** Character devices 0:0, which an overlay takes for whiteouts, and further names of them. */
  droppedDevices: number;
}

/**
 * Makes one archive of several that follow each other: takes out what lies behind each one's last entry, and the devices that
 * would vanish in an overlay. Bytes pass by reference, in runs as long as possible. What it is given must be whole blocks.
 */
export class TarFilter {
  readonly counts: FilterCounts = { entries: 0, bytes: 0, droppedDevices: 0 };
  readonly #sink: (bytes: Buffer) => void;
  readonly #droppedNames = new Set<string>();
  /** Bytes of the current entry's body that are still to come, and whether they are passed on. */
  #body = 0;
  #dropBody = false;
  /** Headers of the entry to come, from earlier chunks. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** Bytes of an extended header that are still to come, without the padding of its last block. */
  #paxBytes = 0;
  #paxText: Buffer[] = [];

  constructor(sink: (bytes: Buffer) => void) {
    this.#sink = sink;
  }

  push(chunk: Buffer): void {
    if (chunk.length % BLOCK !== 0) throw new LayerswarmError('internal', 'tar ended in the middle of a block');
    /** What lies before is dealt with. */
    let start = 0;
    /** Where the held headers of this chunk begin. */
    let held = this.#heldBytes > 0 ? 0 : -1;
    const flush = (end: number): void => {
      if (end > start) this.#sink(chunk.subarray(start, end));
      start = end;
    };
    for (let at = 0; at < chunk.length;) {
      if (this.#body > 0) {
        const count = Math.min(this.#body, chunk.length - at);
        if (this.#paxBytes > 0) this.#hold(chunk.subarray(at, at + count));
        if (this.#dropBody) start = at + count;
        this.#body -= count;
        at += count;
        continue;
      }
      const header = chunk.subarray(at, at + BLOCK);
      this.#dropBody = false;
      if (header[0] === 0 && isZero(header)) {
        if (held !== -1) throw endsInEntry();
        flush(at);
        at += BLOCK;
        start = at;
        continue;
      }
      if (header[156] === TYPE.pax) {
        if (held === -1) held = at;
        this.#paxBytes = bodySize(header);
        this.#body = padded(this.#paxBytes);
        at += BLOCK;
        continue;
      }
      checkType(header);
      const pax = this.#paxText.length === 0 ? NO_RECORDS : paxRecords(Buffer.concat(this.#paxText));
      const size = bodySize(header, pax);
      this.counts.entries += 1;
      if (isFile(header)) this.counts.bytes += size;
      if (this.#isWhiteoutDevice(header, pax)) {
        // With headers held from an earlier chunk, all of this one so far belongs to them.
        if (this.#held.length === 0) flush(held === -1 ? at : held);
        start = at + BLOCK;
        this.#dropBody = true;
        this.counts.droppedDevices += 1;
      } else if (this.#held.length > 0) {
        for (const bytes of this.#held) this.#sink(bytes);
      }
      this.#held = [];
      this.#heldBytes = 0;
      this.#paxText = [];
      held = -1;
      this.#body = padded(size);
      at += BLOCK;
    }
    if (held === -1) {
      flush(chunk.length);
      return;
    }
    flush(Math.max(held, start));
    this.#held.push(Buffer.from(chunk.subarray(Math.max(held, start))));
    this.#heldBytes += chunk.length - Math.max(held, start);
    if (this.#heldBytes > MAX_HELD_BYTES) throw new LayerswarmError('too-large', 'an entry has more than 4 MiB of extended attributes');
  }

  /** The end of the one archive: two blocks of zeros. */
  end(): void {
    if (this.#body > 0 || this.#heldBytes > 0) throw endsInEntry();
    this.#sink(Buffer.alloc(2 * BLOCK));
  }

  #hold(bytes: Buffer): void {
    const count = Math.min(this.#paxBytes, bytes.length);
    this.#paxText.push(Buffer.from(bytes.subarray(0, count)));
    this.#paxBytes -= count;
  }

  #isWhiteoutDevice(header: Buffer, pax: PaxRecords): boolean {
    const type = header[156];
    if (type === TYPE.characterDevice && isZeroDevice(header)) {
      if (this.#droppedNames.size < MAX_DROPPED_NAMES) this.#droppedNames.add(entryName(header, 'path', pax));
      return true;
    }
    return type === TYPE.link && this.#droppedNames.size > 0 && this.#droppedNames.has(entryName(header, 'linkpath', pax));
  }
}

function endsInEntry(): LayerswarmError {
  return new LayerswarmError('internal', 'tar ended in the middle of an entry');
}

function padded(bytes: number): number {
  return Math.ceil(bytes / BLOCK) * BLOCK;
}

function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}
