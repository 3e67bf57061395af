import { LayerswarmError } from '../../errors.ts';

const BLOCK = 512;
/** Extended headers are held until the entry that they belong to is known; xattrs and long names fit this many times over. */
const MAX_HELD_BYTES = 4 * 1024 * 1024;
const MAX_DROPPED_NAMES = 100_000;
const TYPE = { link: 0x31, characterDevice: 0x33, pax: 0x78 } as const;

export interface FilterCounts {
  entries: number;
  /** Character devices 0:0, which an overlay takes for whiteouts, and further names of them. */
  droppedDevices: number;
}

/**
 * Makes one archive of several that follow each other: takes out what lies behind each one's last entry, and the devices that
 * would vanish in an overlay. Bytes pass by reference, in runs as long as possible. What it is given must be whole blocks.
 */
export class TarFilter {
  readonly counts: FilterCounts = { entries: 0, droppedDevices: 0 };
  readonly #sink: (bytes: Buffer) => void;
  readonly #droppedNames = new Set<string>();
  /** Bytes of the current entry's body that are still to come, and whether they are passed on. */
  #body = 0;
  #dropBody = false;
  /** Headers of the entry to come, from earlier chunks. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  #paxBody = false;
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
        if (this.#paxBody) this.#hold(chunk.subarray(at, at + count));
        if (this.#dropBody) start = at + count;
        this.#body -= count;
        at += count;
        continue;
      }
      const header = chunk.subarray(at, at + BLOCK);
      this.#paxBody = false;
      this.#dropBody = false;
      if (header[0] === 0 && isZero(header)) {
        flush(at);
        at += BLOCK;
        start = at;
        continue;
      }
      const type = header[156]!;
      const size = Math.ceil(readOctal(header) / BLOCK) * BLOCK;
      if (type === TYPE.pax) {
        if (held === -1) held = at;
        this.#paxBody = true;
        this.#body = size;
        at += BLOCK;
        continue;
      }
      this.counts.entries += 1;
      if (this.#isWhiteoutDevice(header, type)) {
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
      this.#body = size;
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
    if (this.#body > 0 || this.#heldBytes > 0) throw new LayerswarmError('internal', 'tar ended in the middle of an entry');
    this.#sink(Buffer.alloc(2 * BLOCK));
  }

  #hold(bytes: Buffer): void {
    this.#paxText.push(Buffer.from(bytes));
  }

  #isWhiteoutDevice(header: Buffer, type: number): boolean {
    if (type === TYPE.characterDevice && isZeroNumber(header, 329) && isZeroNumber(header, 337)) {
      if (this.#droppedNames.size < MAX_DROPPED_NAMES) this.#droppedNames.add(this.#name(header, 'path'));
      return true;
    }
    return type === TYPE.link && this.#droppedNames.size > 0 && this.#droppedNames.has(this.#name(header, 'linkpath'));
  }

  /** The entry's name, or its link's target: from the extended header where one has it. */
  #name(header: Buffer, key: 'path' | 'linkpath'): string {
    const records = Buffer.concat(this.#paxText).toString('latin1');
    const extended = new RegExp(`(?:^|\n)\\d+ ${key}=([^\n]*)\n`).exec(records);
    if (extended !== null) return extended[1]!;
    if (key === 'linkpath') return text(header, 157, 100);
    const prefix = text(header, 345, 155);
    return prefix === '' ? text(header, 0, 100) : `${prefix}/${text(header, 0, 100)}`;
  }
}

function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}

function isZeroNumber(header: Buffer, at: number): boolean {
  return /^[0 \0]*$/.test(header.toString('latin1', at, at + 8));
}

function text(header: Buffer, at: number, length: number): string {
  return header.toString('latin1', at, at + length).split('\0', 1)[0]!;
}

/** The size of the body. Files of 8 GiB and more have theirs in the extended header, and a binary number here. */
function readOctal(header: Buffer): number {
  const field = header.subarray(124, 136);
  if ((field[0]! & 0x80) !== 0) return Number(field.readBigUInt64BE(4));
  const size = Number.parseInt(field.toString('latin1').replaceAll('\0', ' ').trim() || '0', 8);
  if (!Number.isSafeInteger(size)) throw new LayerswarmError('internal', 'tar wrote a header that is none');
  return size;
}
