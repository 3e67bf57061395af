import { LayerswarmError } from '../../src/errors.ts';
import { OciError } from '../../src/registry/http-error.ts';

/** A parser that reads bytes from outside, and how it is given them. */
export interface FuzzTarget {
  readonly name: string;
  /** Sound inputs to begin from: a parser is not found out by noise alone. */
  seeds(): readonly (Uint8Array | string)[];
  /** Gives the input to the parser, and checks what must hold of what it read. Throws what the parser throws, or what does not hold. */
  run(input: Buffer): void | Promise<void>;
  /** Bytes of the longest input; 4096 when absent. */
  readonly limit?: number;
}

/** What is wrong with a parser. */
export class Broken extends Error {}

/** Runs one input. What the parser refuses in words of its own is no finding; anything else is thrown. */
export async function tryInput(target: FuzzTarget, input: Buffer): Promise<void> {
  try {
    // most are synchronous, and awaiting each would cost more than the parser
    const result = target.run(input);
    if (result !== undefined) await result;
  } catch (error) {
    if (!isRefusal(error)) throw error;
  }
}

function isRefusal(error: unknown): boolean {
  return (error instanceof LayerswarmError && error.code !== 'internal') || error instanceof OciError;
}

export function check(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Broken(what);
}
