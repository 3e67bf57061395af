import { isUtf8 } from 'node:buffer';
import { LayerswarmError } from '../../errors.ts';

/** One value of a word: how it is written, and how it is read, strictly. All integers are big-endian. */
export interface Field<T> {
  write(value: T): Uint8Array;
  /** @throws `peer-misbehaved` */
  read(from: WordReader): T;
}

/** The bytes of one word that are still to be read. */
export class WordReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** The next bytes, not copied. @throws `peer-misbehaved` when there are not so many */
  take(length: number): Buffer {
    if (length > this.left) throw malformed('ends too early');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  uint(bytes: number, most: number): number {
    const value = this.take(bytes).readUIntBE(0, bytes);
    if (value > most) throw malformed(`says ${value} where ${most} is the most`);
    return value;
  }
}

export function malformed(what: string): LayerswarmError {
  return new LayerswarmError('peer-misbehaved', `the peer said a word that ${what}`);
}

/** An unsigned integer in so many bytes, 6 at most. */
export function uint(bytes: number, most = 2 ** (8 * bytes) - 1, least = 0): Field<number> {
  return {
    write: (value) => encodeUint(value, bytes),
    read: (from) => {
      const value = from.uint(bytes, most);
      if (value < least) throw malformed(`says ${value} where ${least} is the least`);
      return value;
    },
  };
}

export const flag: Field<boolean> = { write: (value) => Uint8Array.of(Number(value)), read: (from) => from.uint(1, 1) === 1 };

export function bytesUpTo(most: number): Field<Uint8Array> {
  return {
    write: (value) => Buffer.concat([encodeUint(value.length, 3), value]),
    read: (from) => Uint8Array.from(from.take(from.uint(3, most))),
  };
}

export function bytesOf(length: number): Field<Uint8Array> {
  return { write: (value) => value, read: (from) => Uint8Array.from(from.take(length)) };
}

/** `most`: bytes of UTF-8. */
export function textUpTo(most: number): Field<string> {
  return {
    write: (value) => {
      const bytes = Buffer.from(value);
      return Buffer.concat([encodeUint(bytes.length, 2), bytes]);
    },
    read: (from) => {
      const bytes = from.take(from.uint(2, most));
      if (!isUtf8(bytes)) throw malformed('holds text that is no UTF-8');
      return bytes.toString();
    },
  };
}

export function oneOf<T extends string>(...values: readonly T[]): Field<T> {
  return { write: (value) => Uint8Array.of(values.indexOf(value)), read: (from) => values[from.uint(1, values.length - 1)]! };
}

export function listOf<T>(field: Field<T>, most: number, least = 0): Field<T[]> {
  const count = uint(2, most, least);
  return {
    write: (values) => Buffer.concat([count.write(values.length), ...values.map((value) => field.write(value))]),
    read: (from) => Array.from({ length: count.read(from) }, () => field.read(from)),
  };
}

export function optional<T>(field: Field<T>): Field<T | undefined> & { readonly isOptional: true } {
  return {
    isOptional: true,
    write: (value) => (value === undefined ? Uint8Array.of(0) : Buffer.concat([Uint8Array.of(1), field.write(value)])),
    read: (from) => (from.uint(1, 1) === 1 ? field.read(from) : undefined),
  };
}

type Shape = Readonly<Record<string, Field<unknown>>>;
type ValueOf<F> = F extends { read(from: WordReader): infer T } ? T : never;
type OptionalKeys<S> = { [K in keyof S]: S[K] extends { readonly isOptional: true } ? K : never }[keyof S];
/** What has these fields. */
export type Shaped<S> = { [K in Exclude<keyof S, OptionalKeys<S>>]: ValueOf<S[K]> } & { [K in OptionalKeys<S>]?: ValueOf<S[K]> };

/** The fields one after the other. */
export function record<S extends Shape>(shape: S): Field<Shaped<S>> {
  const fields = Object.entries(shape);
  return {
    write: (value) => Buffer.concat(fields.map(([name, field]) => field.write(value[name as keyof Shaped<S>]))),
    read: (from) => {
      const value: Record<string, unknown> = {};
      for (const [name, field] of fields) {
        const part: unknown = field.read(from);
        if (part !== undefined) value[name] = part;
      }
      return value as Shaped<S>;
    },
  };
}

function encodeUint(value: number, bytes: number): Buffer {
  const encoded = Buffer.allocUnsafe(bytes);
  encoded.writeUIntBE(value, 0, bytes);
  return encoded;
}
