import { readFile, readdir, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { LayerswarmError } from '../../errors.ts';
import { makeFolders } from '../../folders.ts';
import { Digest, type DigestAlgorithm } from '../../oci/digest.ts';
import { quote } from '../../oci/name.ts';
import { keepFile, replaceFile } from './durable-file.ts';
import { isMissing, storeError } from '../store-error.ts';

/** Version of everything on disk; a program refuses a folder with a greater one and leaves it as it is. */
const STORE_FORMAT = 1;

export const ALGORITHMS: readonly DigestAlgorithm[] = ['sha256', 'sha512'];

/** OCI image specification, image-layout.md, "oci-layout file". */
const OCI_LAYOUT = `${JSON.stringify({ imageLayoutVersion: '1.0.0' })}\n`;

/** Where things lie in the data folder. `blobs`, `oci-layout` and `index.json` form an OCI image layout. */
export class StoreLayout {
  readonly root: string;
  readonly partial: string;
  readonly temp: string;
  readonly quarantine: string;
  readonly index: string;
  readonly metadata: string;
  readonly lock: string;
  readonly holder: string;
  readonly format: string;

  constructor(root: string) {
    this.root = resolve(root);
    this.partial = join(this.root, 'partial');
    this.temp = join(this.root, 'tmp');
    this.quarantine = join(this.root, 'quarantine');
    this.index = join(this.root, 'index.json');
    this.metadata = join(this.root, 'metadata.db');
    this.lock = join(this.root, 'store.lock');
    this.holder = join(this.root, 'store.pid');
    this.format = join(this.root, 'format');
  }

  blobs(algorithm: DigestAlgorithm): string {
    return join(this.root, 'blobs', algorithm);
  }

  blob(digest: Digest): string {
    return join(this.blobs(digest.algorithm), digest.hex);
  }

  /** The unfinished blob's bytes, and its grades. */
  partialFiles(digest: Digest): { data: string; state: string } {
    const base = join(this.partial, `${digest.algorithm}-${digest.hex}`);
    return { data: `${base}.data`, state: `${base}.state` };
  }

  quarantined(digest: Digest): string {
    return join(this.quarantine, `${digest.algorithm}-${digest.hex}`);
  }
}

const WRITABLE_BY_ANYBODY = 0o002;

/** Refuses a folder that anybody on this host may write: bytes, keys and links could be put there. @throws `store-unwritable` */
export async function checkMode(layout: StoreLayout): Promise<void> {
  const { mode } = await stat(layout.root);
  if ((mode & WRITABLE_BY_ANYBODY) === 0) return;
  throw new LayerswarmError(
    'store-unwritable',
    `anybody on this host may write the data folder ${layout.root} (mode ${(mode & 0o7777).toString(8)}): take that away (chmod o-w)`,
  );
}

/** Refuses a folder that a newer version, or another program, wrote. Changes nothing. @throws `store-format`, `store-unwritable` */
export async function checkFormat(layout: StoreLayout): Promise<void> {
  let text: string;
  try {
    text = await readFile(layout.format, 'utf8');
  } catch (error) {
    if (!isMissing(error)) throw storeError(error, `read ${layout.format}`);
    return await refuseForeignLayout(layout);
  }
  const version = /^([1-9][0-9]{0,8})\n?$/.exec(text)?.[1];
  if (version === undefined) {
    throw new LayerswarmError(
      'store-format',
      `${layout.format}: expected a version number, received ${quote(text)}; choose another data folder or restore that file`,
    );
  }
  if (Number(version) > STORE_FORMAT) {
    throw new LayerswarmError(
      'store-format',
      `${layout.root} has store format ${version}, this version of layerswarm reads up to ${STORE_FORMAT}; use a newer layerswarm or another data folder`,
      { detail: { found: Number(version), supported: STORE_FORMAT } },
    );
  }
}

/** Opening drops files that do not belong, so a folder with somebody else's blobs must never be taken for one's own. */
async function refuseForeignLayout(layout: StoreLayout): Promise<void> {
  for (const name of ['blobs', 'index.json', 'oci-layout']) {
    if (await stat(join(layout.root, name)).catch(() => undefined)) {
      throw new LayerswarmError(
        'store-format',
        `${layout.root} holds ${name}, but no store of layerswarm (no file "format"); choose an empty data folder`,
      );
    }
  }
}

/** Makes the folders and fixed files; called under the lock. */
export async function prepareFolders(layout: StoreLayout): Promise<void> {
  try {
    // first of all: a crash from here on leaves a folder that is known as ours
    if ((await readFile(layout.format, 'utf8').catch(() => undefined)) === undefined)
      await replaceFile(layout.format, `${STORE_FORMAT}\n`, layout.root);
    for (const folder of [layout.partial, layout.temp, layout.quarantine, ...ALGORITHMS.map((algorithm) => layout.blobs(algorithm))]) {
      await makeFolders(folder, 0o700);
    }
    for (const name of await readdir(layout.temp)) await rm(join(layout.temp, name), { recursive: true, force: true });
    await keepFile(join(layout.root, 'oci-layout'), OCI_LAYOUT, layout.temp);
  } catch (error) {
    throw storeError(error, `prepare the store in ${layout.root}`);
  }
}

/** `sha256-<hex>` or, in a folder of one algorithm, `<hex>`. */
export function digestOfName(name: string, algorithm?: DigestAlgorithm): Digest | undefined {
  return Digest.tryParse(algorithm === undefined ? name.replace('-', ':') : `${algorithm}:${name}`);
}
