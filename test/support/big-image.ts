import { mkdtemp, mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MEDIA_TYPE, OciLayout, type Descriptor, type Layer } from './oci-layout.ts';
import { runOk } from './process.ts';

const CACHE = process.env['SWARM_TEST_CACHE'] ?? join(import.meta.dirname, '../.cache');
/** Goes up when the image changes. */
const VERSION = 1;

export interface TestImage {
  readonly layout: OciLayout;
  readonly tag: string;
  readonly manifest: Descriptor;
  /** Config and layers. */
  readonly blobs: readonly Descriptor[];
  /** Bytes of all blobs. */
  readonly size: number;
}

/** In the big image alone, as `/etc/layerswarm`, and what its command prints. */
export const BIG_IMAGE_PROOF = 'this Debian came through layerswarm';

/**
 * A Debian of real files in four layers (two gzip, one uncompressed, one tiny), some 130 MB, that runs. Kept under
 * `test/.cache` between runs; made when it is not there, in about a minute, as root and from the Debian mirror.
 */
export async function bigImage(): Promise<TestImage> {
  const dir = join(CACHE, `debian-${VERSION}`);
  if (!(await exists(dir))) await make(dir);
  return openImage(OciLayout.open(dir), 'v1');
}

export async function openImage(layout: OciLayout, tag: string): Promise<TestImage> {
  const manifest = await layout.tagged(tag);
  const { blobs } = await layout.closure(manifest);
  return { layout, tag, manifest, blobs, size: blobs.reduce((sum, { size }) => sum + size, 0) };
}

async function make(dir: string): Promise<void> {
  await mkdir(CACHE, { recursive: true });
  const work = await mkdtemp(join(CACHE, 'making-'));
  try {
    await runOk('bash', [join(import.meta.dirname, 'debian-tree.sh'), work], { deadline: 600_000 });
    const layout = await OciLayout.create(join(work, 'layout'));
    const layers: Layer[] = [];
    for (const [name, file, compression] of [
      ['base', 'base.tar.gz', 'gzip'],
      ['packages', 'packages.tar.gz', 'gzip'],
      ['tools', 'tools.tar', 'none'],
    ] as const) {
      const diffId = `sha256:${(await readFile(join(work, `${name}.diffid`), 'utf8')).trim()}`;
      layers.push({ descriptor: await layout.addBlobFile(join(work, file), MEDIA_TYPE[compression]), diffId });
    }
    layers.push(await layout.addLayer({ 'etc/layerswarm': `${BIG_IMAGE_PROOF}\n` }));
    await layout.addImage({ layers, command: ['python3', '-c', 'print(open("/etc/layerswarm").read(), end="")'], tag: 'v1' });
    await rename(layout.dir, dir);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}

if (import.meta.main) {
  const { layout, size } = await bigImage();
  console.log(`${layout.dir}: ${size} bytes`);
}
