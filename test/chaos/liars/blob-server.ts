import type { Digest } from '../../../src/oci/digest.ts';
import { BlobServer as HonestServer, type BlobServerOptions } from '../../../src/swarm/exchange/blob-server.ts';
import type { Statement } from '../../../src/swarm/exchange/statement.ts';
import type { ExchangeStore } from '../../../src/swarm/exchange/exchange-store.ts';

/** Every so many bytes one is another than it should be. */
const EVERY = 100_000;
const isForgetful = (new URL(import.meta.url).searchParams.get('lies') ?? '').split(',').includes('forgetful');

/** Gives wrong bytes of what it holds, and signs them. A forgetful one tells the truth when it is asked again. */
export class BlobServer extends HonestServer {
  readonly #honest: HonestServer;

  constructor(options: BlobServerOptions) {
    super({ ...options, store: lyingStore(options.store) });
    this.#honest = new HonestServer(options);
  }

  override async lookAgain(blob: Digest, piece: number): Promise<Statement | undefined> {
    return isForgetful ? await this.#honest.lookAgain(blob, piece) : await super.lookAgain(blob, piece);
  }
}

function lyingStore(store: ExchangeStore): ExchangeStore {
  return new Proxy(store, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key);
      if (key === 'open') return async (digest: Digest) => lyingReader(await store.open(digest));
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

type Reader = Awaited<ReturnType<ExchangeStore['open']>>;

function lyingReader(reader: Reader): Reader {
  return new Proxy(reader, {
    get(target, key) {
      if (key === 'read') return async (start: number, length: number) => spoil(Buffer.from(await reader.read(start, length)), start);
      if (key === 'readInto') {
        return async (into: Uint8Array, start: number) => {
          await reader.readInto(into, start);
          spoil(into, start);
        };
      }
      const value: unknown = Reflect.get(target, key);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

function spoil<B extends Uint8Array>(bytes: B, start: number): B {
  for (let at = Math.ceil(start / EVERY) * EVERY; at < start + bytes.length; at += EVERY) bytes[at - start]! ^= 0x01;
  return bytes;
}
