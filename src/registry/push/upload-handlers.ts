import type { OutgoingHttpHeaders } from 'node:http';
import { errorCode } from '../../errors.ts';
import { Digest } from '../../oci/digest.ts';
import { isRepositoryName } from '../../oci/name.ts';
import { OciError } from '../http-error.ts';
import type { RegistryRequest, RegistryResponse } from '../http/message.ts';
import { hasBody, readBody } from '../http/read-body.ts';
import type { Parameters } from '../http/router.ts';
import type { EmbeddedPushContext } from './embedded-push-context.ts';
import type { UploadSession } from './upload-session.ts';

/** `POST /v2/<name>/blobs/uploads/`: starts an upload, mounts a blob of another repository, or takes a whole blob at once. */
export async function startUpload(
  context: EmbeddedPushContext,
  request: RegistryRequest,
  parameters: Parameters,
): Promise<RegistryResponse> {
  const { name } = context.namespaces.pushed(parameters['name']!, request.query);
  const mount = request.query.get('mount');
  const from = request.query.get('from');
  if (mount !== null && from !== null && isRepositoryName(from)) {
    const digest = Digest.parse(mount);
    if (await context.origin.mountBlob(name, digest, from)) return created(name, digest);
  }
  const whole = request.query.get('digest');
  if (whole !== null && mount === null) {
    const digest = Digest.parse(whole);
    await context.origin.putBlob(name, digest, readBody(request.body), { ...declaredSize(request), signal: request.signal });
    return created(name, digest);
  }
  const session = await context.uploads.create(name);
  return accepted(session, 202);
}

/** `GET /v2/<name>/blobs/uploads/<session>`: how far the upload has got. */
export async function uploadStatus(
  context: EmbeddedPushContext,
  request: RegistryRequest,
  parameters: Parameters,
): Promise<RegistryResponse> {
  const session = await openSession(context, request, parameters);
  return accepted(session, 204);
}

/** `PATCH /v2/<name>/blobs/uploads/<session>`: the next chunk, or with no Content-Range a stream of unknown length. */
export async function appendUpload(
  context: EmbeddedPushContext,
  request: RegistryRequest,
  parameters: Parameters,
): Promise<RegistryResponse> {
  const session = await openSession(context, request, parameters);
  assertInOrder(request, session);
  await append(session, request);
  return accepted(session, 202);
}

/** `PUT /v2/<name>/blobs/uploads/<session>?digest=`: ends the upload, with its last or only bytes if there are any. */
export async function finishUpload(
  context: EmbeddedPushContext,
  request: RegistryRequest,
  parameters: Parameters,
): Promise<RegistryResponse> {
  const session = await openSession(context, request, parameters);
  const digest = Digest.parse(request.query.get('digest') ?? '');
  assertInOrder(request, session);
  try {
    if (session.size === 0) {
      // all in one request: no need to go through the session's file
      await context.origin.putBlob(session.repository, digest, readBody(request.body), {
        ...declaredSize(request),
        signal: request.signal,
      });
    } else {
      if (hasBody(request.body)) await append(session, request);
      await context.origin.putBlob(session.repository, digest, session.bytes(), { size: session.size, signal: request.signal });
    }
  } catch (error) {
    // the client may come back after a lost connection; bytes that are not what it says they are help nobody
    if (errorCode(error) !== 'aborted' && errorCode(error) !== 'timeout') await session.close();
    throw error;
  }
  await session.close();
  return created(session.repository, digest);
}

/** `DELETE /v2/<name>/blobs/uploads/<session>`. */
export async function cancelUpload(
  context: EmbeddedPushContext,
  request: RegistryRequest,
  parameters: Parameters,
): Promise<RegistryResponse> {
  const session = await openSession(context, request, parameters);
  await session.close();
  return { status: 204, headers: {} };
}

async function openSession(
  { uploads, namespaces }: EmbeddedPushContext,
  request: RegistryRequest,
  parameters: Parameters,
): Promise<UploadSession> {
  const { name } = namespaces.pushed(parameters['name']!, request.query);
  const session = uploads.get(parameters['session']!, name);
  await session.takeOver();
  return session;
}

async function append(session: UploadSession, request: RegistryRequest): Promise<void> {
  try {
    await session.append(readBody(request.body));
  } catch (error) {
    if (errorCode(error) === 'disk-full') await session.close();
    throw error;
  }
}

/** distribution-spec 1.1, "Pushing a blob in chunks": a chunk that does not start where the upload ended is answered with where it is. */
function assertInOrder(request: RegistryRequest, session: UploadSession): void {
  const header = request.headers['content-range'];
  if (header === undefined) return;
  const match = /^(?:bytes[ =])?(\d{1,16})-(\d{1,16})(?:\/.*)?$/.exec(header);
  if (match === null)
    throw new OciError(400, 'BLOB_UPLOAD_INVALID', `expected Content-Range: <start>-<end>, received "${header.slice(0, 60)}"`);
  const start = Number(match[1]);
  if (start !== session.size) {
    throw new OciError(416, 'BLOB_UPLOAD_INVALID', `the upload has ${session.size} bytes; the chunk starts at ${start}`, {
      headers: sessionHeaders(session),
    });
  }
  const length = Number(match[2]) - start + 1;
  const { size } = declaredSize(request);
  if (size !== undefined && size !== length)
    throw new OciError(400, 'SIZE_INVALID', `Content-Range names ${length} bytes, Content-Length ${size}`);
}

function declaredSize(request: RegistryRequest): { size?: number } {
  const length = request.headers['content-length'];
  return length === undefined ? {} : { size: Number(length) };
}

function sessionHeaders(session: UploadSession): OutgoingHttpHeaders {
  return {
    Location: `/v2/${session.repository}/blobs/uploads/${session.id}`,
    // end included; the specification has no way to say "nothing yet", and registries say 0-0
    Range: `0-${Math.max(0, session.size - 1)}`,
    'Docker-Upload-UUID': session.id,
  };
}

function accepted(session: UploadSession, status: 202 | 204): RegistryResponse {
  return { status, headers: { ...sessionHeaders(session), ...(status === 202 ? { 'Content-Length': 0 } : {}) } };
}

function created(repository: string, digest: Digest): RegistryResponse {
  return {
    status: 201,
    headers: { Location: `/v2/${repository}/blobs/${digest.toString()}`, 'Docker-Content-Digest': digest.toString(), 'Content-Length': 0 },
  };
}
