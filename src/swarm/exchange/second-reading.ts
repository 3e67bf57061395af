import { LayerswarmError } from '../../errors.ts';
import type { BlobNetwork } from '../network/network.ts';
import { MemberDistance } from './core/distance.ts';
import { parseNote, statementHolds, statementIsSigned, type Statement } from './statement.ts';
import type { UnfinishedBlob } from './unfinished-blob.ts';

/** The one who is asked reads a checkpoint's pieces first; then it is the next one's turn. */
const ANSWER_TIMEOUT_MS = 5000;
/** Without a byte for this long the bytes are had from somebody else. */
const SILENCE_MS = 3000;

/**
 * Who reads a disputed range from the origin once more: one member for all that fetch the blob, so that the origin is read once
 * however many find it wrong. Everybody takes the member that is closest to the blob, and another the next time, since the first may
 * lie, or may have been served badly itself.
 */
export class SecondReading {
  readonly #network: BlobNetwork;
  readonly #blob: UnfinishedBlob;
  readonly #rivals: () => string[];
  readonly #distance = new MemberDistance();
  /** How often each range was read again, by its first piece. */
  readonly #times = new Map<number, number>();

  /** `rivals`: members that fetch the same blob. */
  constructor(network: BlobNetwork, blob: UnfinishedBlob, rivals: () => string[]) {
    this.#network = network;
    this.#blob = blob;
    this.#rivals = rivals;
  }

  /** Those who are to read pieces from `first` on, each if the one before cannot; ends with this node. */
  readers(first: number): string[] {
    const members = this.#distance.rank(this.#blob.digest, [this.#network.self, ...this.#rivals()]);
    const times = this.#times.get(first) ?? 0;
    this.#times.set(first, times + 1);
    const from = times % members.length;
    const inTurn = [...members.slice(from), ...members.slice(0, from)];
    return inTurn.slice(0, inTurn.indexOf(this.#network.self) + 1);
  }

  /** What `reader` says of each piece after another reading, in order. @throws `unavailable`, and what the request does */
  async ask(reader: string, first: number, count: number): Promise<Statement[]> {
    const { digest, layout } = this.#blob;
    const answer = await this.#network.request(reader, { type: 'dispute', blob: digest.toString(), runs: [[first, count]] }, 'statements', {
      timeoutMs: ANSWER_TIMEOUT_MS,
    });
    const said = answer.statements.flatMap((note) => parseNote(note));
    return await Promise.all(
      Array.from({ length: count }, async (_, i) => {
        const { start, end } = layout.range(first + i);
        const statement = said.find(
          (candidate) => candidate.signer === reader && candidate.start === start && candidate.length === end - start,
        );
        if (statement === undefined || !(await statementIsSigned(this.#network, digest, statement)))
          throw new LayerswarmError('unavailable', `peer ${reader} has nothing to say of piece ${first + i}`);
        return statement;
      }),
    );
  }

  /** The bytes that `reader` spoke of, or undefined when it does not give them. */
  async bytes(statement: Statement): Promise<Buffer | undefined> {
    const { digest } = this.#blob;
    const bytes = Buffer.alloc(statement.length);
    const range = { start: statement.start, end: statement.start + statement.length };
    const silent = new AbortController();
    const timer = setTimeout(() => {
      silent.abort();
    }, SILENCE_MS);
    try {
      const lane = await this.#network.lane(statement.signer, digest);
      const write = (offset: number, chunk: Uint8Array): void => {
        bytes.set(chunk, offset - range.start);
        timer.refresh();
      };
      await lane.request(digest, range, { write }, silent.signal);
    } catch {
      return undefined;
    } finally {
      clearTimeout(timer);
    }
    return (await statementHolds(this.#network, digest, statement, bytes)) ? bytes : undefined;
  }
}
