import { Digest } from '../../oci/digest.ts';
import { MAX_MANIFEST_BYTES } from '../../oci/manifest.ts';
import { mediaTypeEssence } from '../../oci/media-type.ts';
import { checkTag } from '../../oci/name.ts';
import type { PushReference } from '../../origin/embedded.ts';
import type { RegistryRequest, RegistryResponse } from '../http/message.ts';
import { readWholeBody } from '../http/read-body.ts';
import type { Parameters } from '../http/router.ts';
import type { EmbeddedPushContext } from './embedded-push-context.ts';

/** `PUT /v2/<name>/manifests/<reference>`. */
export async function putManifest(
  { origin, namespaces }: EmbeddedPushContext,
  request: RegistryRequest,
  parameters: Parameters,
): Promise<RegistryResponse> {
  const { name } = namespaces.pushed(parameters['name']!, request.query);
  const reference = parseReference(parameters['reference']!);
  const bytes = await readWholeBody(request.body, MAX_MANIFEST_BYTES, 'the manifest');
  const { digest, subject } = await origin.putManifest(name, reference, bytes, mediaTypeEssence(request.headers['content-type']));
  return {
    status: 201,
    headers: {
      Location: `/v2/${name}/manifests/${digest.toString()}`,
      'Docker-Content-Digest': digest.toString(),
      // tells the client that the referrers API lists it, so that it keeps no tag for that itself
      ...(subject === undefined ? {} : { 'OCI-Subject': subject.toString() }),
      'Content-Length': 0,
    },
  };
}

/** `DELETE /v2/<name>/manifests/<reference>`. */
export async function deleteManifest(
  { origin, namespaces }: EmbeddedPushContext,
  request: RegistryRequest,
  parameters: Parameters,
): Promise<RegistryResponse> {
  const { name } = namespaces.pushed(parameters['name']!, request.query);
  const reference = parseReference(parameters['reference']!);
  if (reference.kind === 'tag') await origin.deleteTag(name, reference.tag);
  else await origin.deleteManifest(name, reference.digest);
  return { status: 202, headers: { 'Content-Length': 0 } };
}

/** `DELETE /v2/<name>/blobs/<digest>`. */
export async function deleteBlob(
  { origin, namespaces }: EmbeddedPushContext,
  request: RegistryRequest,
  parameters: Parameters,
): Promise<RegistryResponse> {
  const { name } = namespaces.pushed(parameters['name']!, request.query);
  await origin.deleteBlob(name, Digest.parse(parameters['digest']!));
  return { status: 202, headers: { 'Content-Length': 0 } };
}

function parseReference(reference: string): PushReference {
  return reference.includes(':') ? { kind: 'digest', digest: Digest.parse(reference) } : { kind: 'tag', tag: checkTag(reference) };
}
