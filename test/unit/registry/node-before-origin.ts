import test, { type ExecutionContext } from 'ava';
import { randomBytes } from 'node:crypto';
import { MediaType } from '../../../src/oci/media-type.ts';
import { registryNameOf } from '../../../src/origin/registry-name.ts';
import type { SeenRequest } from '../../support/fault-proxy.ts';
import { type RawAnswer, type RawRequest, send } from '../../support/raw-http.ts';
import { pushImage, type PushedImage } from '../../support/registry-content.ts';
import { type RegistryNode, type RegistryNodeOptions, startRegistryNode } from '../../support/registry-node.ts';
import { requireTool } from '../../support/require-tool.ts';
import { type OriginBehindFaults, startOrigin } from './origin-behind-faults.ts';

export const REPOSITORY = 'team/app';

export interface Fixture extends OriginBehindFaults {
  readonly node: RegistryNode;
  readonly image: PushedImage;
  readonly full: string;
  readonly get: (path: string, request?: RawRequest) => Promise<RawAnswer>;
}

/** A node in front of a real registry (distribution 2.8), behind a proxy that fails as it is told; an image of two layers is in it. */
export async function start(t: ExecutionContext, options: Partial<RegistryNodeOptions> = {}): Promise<Fixture> {
  const behind = await startOrigin(t);
  const image = await pushImage(behind.registry, REPOSITORY, 'v1', [randomBytes(300_000), randomBytes(10_000)]);
  const node = await startRegistryNode(t, { origin: behind.origin, ...options });
  return {
    ...behind,
    node,
    image,
    full: `${registryNameOf(behind.faults.url)}/${REPOSITORY}`,
    get: (path, request) => send(`${node.url}/v2/${REPOSITORY}/${path}`, request),
  };
}

/** A test that needs the registry. */
export function real(title: string, body: (t: ExecutionContext) => Promise<void>): void {
  test(title, async (t) => {
    if (requireTool(t, 'docker-registry')) await body(t);
  });
}

/** As if the node had pulled it a moment ago. */
export async function keep({ store, images, clock }: RegistryNode, full: string, tag: string, image: PushedImage): Promise<void> {
  for (const { digest, bytes } of [image.config, ...image.layers]) await store.write(once(bytes), { expected: digest });
  await images.putManifest(full, { digest: image.digest, mediaType: MediaType.ociManifest, bytes: image.manifest });
  images.setTag(full, tag, image.digest, clock.now);
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

export const isTagRequest = ({ url }: SeenRequest): boolean => /\/manifests\/v\d$/.test(url);
export const isManifestByDigest = ({ url }: SeenRequest): boolean => url.includes('/manifests/sha256:');
export const isBlobRead = ({ method, url }: SeenRequest): boolean => method === 'GET' && url.includes('/blobs/');

export function layerPath({ layers }: PushedImage, index = 0): string {
  return `blobs/${layers[index]!.digest.toString()}`;
}

/** Of an OCI error. */
export function codeOf(answer: RawAnswer): string | undefined {
  return (JSON.parse(answer.body.toString()) as { errors: { code: string }[] }).errors[0]?.code;
}
