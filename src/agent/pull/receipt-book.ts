import { appendFile, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BoundedMap } from '../../bounded-map.ts';
import type { Receipt } from '../../status/receipt-document.ts';

/** Receipts that are kept, whatever they are of. */
const LAST = 200;
/** Images of which the slowest pull is kept beside those. */
const SLOWEST = 100;
/** The file is written anew when it holds this many lines more than are kept. */
const SPARE_LINES = 200;
/** A file beyond this is not one of ours. */
const MAX_FILE_BYTES = 64 << 20;
/** One pull of thousands of blobs must not crowd out the others. */
const MAX_BLOBS = 200;
/** The slowest of these are kept with what came from where. */
const MAX_STRIPS = 24;

export interface ReceiptBookOptions {
  /** The agent's folder. */
  readonly data: string;
  readonly onWarning: (line: string) => void;
}

/**
 * Receipts of the last pulls and of each image's slowest, kept on disk over restarts: a line each, the newest last. What a crash cut
 * off is one line, which is passed over.
 */
export class ReceiptBook {
  readonly #path: string;
  readonly #onWarning: (line: string) => void;
  /** Newest first. */
  #last: Receipt[] = [];
  readonly #slowest = new BoundedMap<string, Receipt>(SLOWEST);
  #lines = 0;
  #writing: Promise<void> = Promise.resolve();

  private constructor({ data, onWarning }: ReceiptBookOptions) {
    this.#path = join(data, 'receipts.jsonl');
    this.#onWarning = onWarning;
  }

  /** Never throws: receipts that cannot be read are no reason not to start. */
  static async open(options: ReceiptBookOptions): Promise<ReceiptBook> {
    const book = new ReceiptBook(options);
    await book.#load();
    return book;
  }

  add(receipt: Receipt): void {
    const blobs = [...receipt.blobs].sort((a, b) => b.seconds - a.seconds).slice(0, MAX_BLOBS);
    const kept = {
      ...receipt,
      blobs: blobs.map(({ strip = [], ...blob }, place) => (place < MAX_STRIPS && strip.length > 0 ? { ...blob, strip } : blob)),
    };
    this.#keep(kept);
    this.#writing = this.#writing
      .then(() => this.#write(kept))
      .catch((error: unknown) => {
        this.#onWarning(`cannot keep the receipt of a pull: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
      });
  }

  /** Newest first; the slowest of an image stands where it belongs in time. */
  list(): readonly Receipt[] {
    const older = [...this.#slowest.values()].filter((receipt) => !this.#last.includes(receipt));
    return [...this.#last, ...older.sort((a, b) => (a.finishedAt < b.finishedAt ? 1 : -1))];
  }

  /** Resolves when all is on disk. */
  async close(): Promise<void> {
    await this.#writing;
  }

  #keep(receipt: Receipt): void {
    this.#last.unshift(receipt);
    this.#last.length = Math.min(this.#last.length, LAST);
    if (receipt.result !== 'done') return;
    const { reference } = receipt;
    const slowest = this.#slowest.get(reference);
    if (slowest !== undefined && slowest.seconds > receipt.seconds) return;
    this.#slowest.set(reference, receipt);
  }

  async #load(): Promise<void> {
    let text: string;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        this.#onWarning(`cannot read the receipts of earlier pulls: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
      return;
    }
    if (text.length > MAX_FILE_BYTES) return;
    const lines = text.split('\n').filter((line) => line !== '');
    this.#lines = lines.length;
    for (const line of lines) {
      const receipt = parse(line);
      if (receipt !== undefined) this.#keep(receipt);
    }
  }

  async #write(receipt: Receipt): Promise<void> {
    if (this.#lines < LAST + SLOWEST + SPARE_LINES) {
      // Ends what a crash left of the last line, too.
      await appendFile(this.#path, `\n${JSON.stringify(receipt)}\n`, { mode: 0o600 });
      this.#lines += 1;
      return;
    }
    const kept = this.list().toReversed();
    await writeFile(`${this.#path}.tmp`, kept.map((line) => `${JSON.stringify(line)}\n`).join(''), { mode: 0o600 });
    await rename(`${this.#path}.tmp`, this.#path);
    this.#lines = kept.length;
  }
}

/** Written by this program, maybe by an older version of it: what is needed to show it must be there. */
function parse(line: string): Receipt | undefined {
  try {
    const found = JSON.parse(line) as Partial<Receipt> | null;
    const isWhole =
      typeof found?.id === 'string' &&
      typeof found.reference === 'string' &&
      typeof found.seconds === 'number' &&
      typeof found.finishedAt === 'string' &&
      Array.isArray(found.blobs) &&
      typeof found.result === 'string';
    return isWhole ? (found as Receipt) : undefined;
  } catch {
    return undefined;
  }
}
