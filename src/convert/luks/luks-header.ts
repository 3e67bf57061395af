import { LayerswarmError } from '../../errors.ts';
import type { ByteSource } from '../header/byte-source.ts';
import { u64be } from '../header/disk-header.ts';
import { parseCipher, type SectorCipher } from './sector-cipher.ts';

/** How a passphrase becomes a key. */
export type Derivation =
  | { readonly kind: 'pbkdf2'; readonly hash: string; readonly iterations: number; readonly salt: Buffer }
  | {
      readonly kind: 'argon2i' | 'argon2id';
      readonly passes: number;
      readonly memoryKiB: number;
      readonly lanes: number;
      readonly salt: Buffer;
    };

/** A place in the header where the volume's key lies, encrypted, and spread so that it can be wiped. */
export interface KeySlot {
  readonly derivation: Derivation;
  readonly cipher: SectorCipher;
  /** Bytes of the key that decrypts the slot. */
  readonly slotKeyBytes: number;
  /** Bytes of the volume's key. */
  readonly keyBytes: number;
  readonly stripes: number;
  readonly hash: string;
  readonly offset: number;
}

export interface LuksVolume {
  readonly uuid: string;
  readonly slots: readonly KeySlot[];
  /** By which a key is known to be the right one. */
  readonly digest: Derivation & { readonly kind: 'pbkdf2' };
  readonly expected: Buffer;
  /** Where the data is: bytes from the volume's start, to its end unless said. */
  readonly offset: number;
  readonly size: number | undefined;
  readonly cipher: SectorCipher;
  readonly sectorBytes: number;
  /** Number of the first sector, in units of 512 bytes, as the cipher counts. */
  readonly firstSector: number;
}

const MAX_JSON_BYTES = 4 * 1024 * 1024;
const SLOT_IN_USE = 0x00ac_71f3;
const MAX_STRIPES = 8000;
const MAX_KEY_BYTES = 512;
/** A hostile header may ask for any amount of work: a slot that asks for more than these is not tried. cryptsetup makes none that does. */
const MAX_ITERATIONS = 100_000_000;
const MAX_MEMORY_KIB = 4 * 1024 * 1024;
const MAX_PASSES = 1000;

/** The LUKS On-Disk Format Specification, versions 1 and 2. @throws LayerswarmError `unsupported` where it is damaged, or has what is not known here */
export function readLuksHeader(volume: ByteSource): LuksVolume {
  const version = volume.read(6, 2).readUInt16BE(0);
  if (version === 1) return readVersion1(volume.read(0, 592));
  if (version === 2) return readVersion2(volume);
  throw unsupported(`of version ${version}`);
}

function readVersion1(header: Buffer): LuksVolume {
  const text = (at: number, length: number): string => header.toString('latin1', at, at + length).split('\0', 1)[0]!;
  const cipher = parseCipher(`${text(8, 32)}-${text(40, 32)}`);
  const hash = text(72, 32);
  const keyBytes = header.readUInt32BE(108);
  const slots = Array.from({ length: 8 }, (_, i) => 208 + i * 48)
    .filter((at) => header.readUInt32BE(at) === SLOT_IN_USE)
    .map((at): KeySlot => ({
      derivation: { kind: 'pbkdf2', hash, iterations: header.readUInt32BE(at + 4), salt: header.subarray(at + 8, at + 40) },
      cipher,
      slotKeyBytes: keyBytes,
      keyBytes,
      hash,
      stripes: header.readUInt32BE(at + 44),
      offset: header.readUInt32BE(at + 40) * 512,
    }));
  return {
    uuid: text(168, 40),
    slots: slots.filter(isSound),
    digest: { kind: 'pbkdf2', hash, iterations: limited(header.readUInt32BE(164), MAX_ITERATIONS), salt: header.subarray(132, 164) },
    expected: header.subarray(112, 132),
    offset: header.readUInt32BE(104) * 512,
    size: undefined,
    cipher,
    sectorBytes: 512,
    firstSector: 0,
  };
}

/** Without prototypes: the names in it are the disk's. */
type Json = { readonly [name: string]: unknown };

function readVersion2(volume: ByteSource): LuksVolume {
  const size = u64be(volume.read(8, 8), 0);
  if (size <= 4096 || size > MAX_JSON_BYTES) throw unsupported('with a damaged header');
  const uuid = volume.read(168, 40).toString('latin1').split('\0', 1)[0]!;
  let json: unknown;
  try {
    json = JSON.parse(
      volume
        .read(4096, size - 4096)
        .toString('utf8')
        .split('\0', 1)[0]!,
    );
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw unsupported('with a damaged header');
  }
  const root = object(json);
  const mandatory = root['config'] === undefined ? undefined : object(root['config'])['requirements'];
  if (mandatory !== undefined && JSON.stringify(mandatory) !== '{}')
    throw unsupported('with requirements such as an encryption that has not ended');
  const segments = Object.entries(object(root['segments']));
  const [segmentId, segment] = [segments[0]?.[0], object(segments[0]?.[1])];
  if (segments.length !== 1 || segment['type'] !== 'crypt' || segment['integrity'] !== undefined)
    throw unsupported('with several segments, or with checksums of its own');
  const digests = Object.values(object(root['digests'])).map(object);
  const digest = digests.find(({ segments }) => Array.isArray(segments) && segments.includes(segmentId));
  if (digest === undefined) throw unsupported('with a damaged header');
  const usable = new Set(Array.isArray(digest['keyslots']) ? digest['keyslots'] : []);
  const derivation = derivationOf({ ...digest, type: 'pbkdf2' });
  if (derivation?.kind !== 'pbkdf2') throw unsupported('with a damaged header');
  return {
    uuid,
    slots: Object.entries(object(root['keyslots']))
      .filter(([id]) => usable.has(id))
      .flatMap(([, slot]) => readSlot(object(slot)) ?? [])
      .filter(isSound),
    digest: derivation,
    expected: Buffer.from(string(digest['digest']), 'base64'),
    offset: number(segment['offset']),
    size: segment['size'] === 'dynamic' ? undefined : number(segment['size']),
    cipher: parseCipher(string(segment['encryption'])),
    sectorBytes: sectorSize(number(segment['sector_size'])),
    firstSector: number(segment['iv_tweak']),
  };
}

function readSlot(slot: Json): KeySlot | undefined {
  const [area, kdf, af] = [object(slot['area']), object(slot['kdf']), object(slot['af'])];
  const derivation = derivationOf(kdf);
  if (slot['type'] !== 'luks2' || af['type'] !== 'luks1' || derivation === undefined) return undefined;
  return {
    derivation,
    cipher: parseCipher(string(area['encryption'])),
    slotKeyBytes: number(area['key_size']),
    keyBytes: number(slot['key_size']),
    stripes: number(af['stripes']),
    hash: string(af['hash']),
    offset: number(area['offset']),
  };
}

function derivationOf(kdf: Json): Derivation | undefined {
  const salt = Buffer.from(string(kdf['salt']), 'base64');
  switch (kdf['type']) {
    case 'pbkdf2':
      return { kind: 'pbkdf2', hash: string(kdf['hash']), iterations: number(kdf['iterations']), salt };
    case 'argon2i':
    case 'argon2id':
      return { kind: kdf['type'], passes: number(kdf['time']), memoryKiB: number(kdf['memory']), lanes: number(kdf['cpus']), salt };
    default:
      return undefined;
  }
}

function isSound({ derivation, slotKeyBytes, keyBytes, stripes }: KeySlot): boolean {
  const isCheap =
    derivation.kind === 'pbkdf2'
      ? derivation.iterations <= MAX_ITERATIONS
      : derivation.memoryKiB <= MAX_MEMORY_KIB && derivation.passes <= MAX_PASSES && derivation.lanes > 0 && derivation.lanes <= 64;
  return isCheap && stripes > 0 && stripes <= MAX_STRIPES && [slotKeyBytes, keyBytes].every((bytes) => bytes > 0 && bytes <= MAX_KEY_BYTES);
}

function sectorSize(bytes: number): number {
  if (![512, 1024, 2048, 4096].includes(bytes)) throw unsupported('with a damaged header');
  return bytes;
}

function limited(value: number, limit: number): number {
  if (value > limit) throw unsupported('with a key that takes more work to check than any sound one');
  return value;
}

function object(value: unknown): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw unsupported('with a damaged header');
  return Object.assign(Object.create(null) as Record<string, unknown>, value);
}

function string(value: unknown): string {
  if (typeof value !== 'string') throw unsupported('with a damaged header');
  return value;
}

/** Large ones are written as text. */
function number(value: unknown): number {
  const result = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value;
  if (typeof result !== 'number' || !Number.isSafeInteger(result) || result < 0) throw unsupported('with a damaged header');
  return result;
}

function unsupported(what: string): LayerswarmError {
  return new LayerswarmError('unsupported', `LUKS ${what}`);
}
