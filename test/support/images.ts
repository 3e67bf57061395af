import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cleanup } from './cleanup.ts';
import { type Descriptor, type Layer, MEDIA_TYPE, OciLayout } from './oci-layout.ts';
import { pushBlob, pushManifest, type PushTarget } from './registry-content.ts';
import { tempDir } from './temp-dir.ts';

/** An image of a few tiny layers that no other test has, tagged v1; it does not run. */
export async function smallImage(cleanup: Cleanup): Promise<OciLayout> {
  const layout = await OciLayout.create(join(tempDir(cleanup, 'img'), 'layout'));
  const layers: Layer[] = [];
  for (let i = 1; i <= 3; i++) layers.push(await layout.addLayer({ [`etc/layer${i}`]: randomBytes(2_000).toString('hex') }));
  await layout.addImage({ layers, tag: 'v1' });
  return layout;
}

/** An index over three platforms that share a layer, tagged `multi`. */
export async function multiPlatformImage(cleanup: Cleanup): Promise<{ layout: OciLayout; index: Descriptor; children: Descriptor[] }> {
  const layout = await OciLayout.create(join(tempDir(cleanup, 'img'), 'layout'));
  const shared = await layout.addLayer({ 'etc/shared': randomBytes(5_000).toString('hex') });
  const children: Descriptor[] = [];
  for (const platform of [
    { os: 'linux', architecture: 'amd64' },
    { os: 'linux', architecture: 'arm64' },
    { os: 'linux', architecture: 'arm', variant: 'v7' },
  ]) {
    const own = await layout.addLayer({ 'etc/platform': `${JSON.stringify(platform)} ${randomBytes(1_000).toString('hex')}` });
    children.push(await layout.addImage({ layers: [shared, own], platform }));
  }
  return { layout, index: await layout.addIndex(children, 'multi'), children };
}

/** An image with a layer of each kind: empty (no byte at all), tar, gzip, zstd; tagged `layers`. */
export async function everyLayerKind(cleanup: Cleanup): Promise<OciLayout> {
  const layout = await OciLayout.create(join(tempDir(cleanup, 'img'), 'layout'));
  const empty = await layout.addBlob(new Uint8Array(0), MEDIA_TYPE.none);
  const layers: Layer[] = [{ descriptor: empty, diffId: empty.digest }];
  for (const kind of ['none', 'gzip', 'zstd'] as const)
    layers.push(await layout.addLayer({ [`etc/${kind}`]: randomBytes(3_000).toString('hex') }, kind));
  await layout.addImage({ layers, tag: 'layers' });
  return layout;
}

/** Pushes what a tag of the layout names, with everything below it and its bytes as they are. @returns its descriptor */
export async function pushLayout(target: PushTarget, layout: OciLayout, tag: string, repository: string): Promise<Descriptor> {
  const root = await layout.tagged(tag);
  const { blobs, manifests } = await layout.closure(root);
  for (const { digest } of blobs) await pushBlob(target, repository, await readFile(layout.blobPath(digest)));
  for (const { digest, mediaType } of manifests) {
    await pushManifest(target, repository, digest === root.digest ? tag : digest, await readFile(layout.blobPath(digest)), mediaType);
  }
  return root;
}
