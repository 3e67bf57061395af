import { errorCode, type ErrorCode, LayerswarmError } from '../errors.ts';
import { OCI_ERROR_STATUS, ociErrorBody, type OciErrorCode } from '../oci/error-code.ts';
import type { RegistryResponse } from './http/message.ts';
import type { OutgoingHttpHeaders } from 'node:http';

/** Seconds after which a client may ask again. */
const RETRY_AFTER = '5';

/** An error that knows its answer: for what the distribution specification names and no other part of layerswarm does. */
export class OciError extends LayerswarmError {
  readonly status: number;
  readonly ociCode: OciErrorCode;
  readonly headers: OutgoingHttpHeaders;

  constructor(status: number, ociCode: OciErrorCode, message: string, options: { cause?: unknown; headers?: OutgoingHttpHeaders } = {}) {
    super(status === 404 ? 'not-found' : 'unsupported', message, options);
    this.name = 'OciError';
    this.status = status;
    this.ociCode = ociCode;
    this.headers = options.headers ?? {};
  }
}

/** What the failed request was about, for errors whose answer depends on it. */
export interface ErrorContext {
  /** What `not-found` is called here. */
  readonly unknown: OciErrorCode;
  /** The client sent the content: what does not fit its digest is the client's mistake. */
  readonly isPush: boolean;
}

/**
 * The answer to an error. A mirror's clients go to the next host on 404 and try again on 503, so what the origin refuses
 * this node is 404 (never a challenge: the client's credentials are not ours to ask for), and what failed on the way is 503.
 */
export function errorResponse(error: unknown, context: ErrorContext): RegistryResponse {
  const { status, code, headers } = answerOf(error, context);
  const message = error instanceof LayerswarmError ? error.message : 'the node failed; its log says why';
  const body = ociErrorBody(code, message, error instanceof LayerswarmError ? error.detail : undefined);
  return {
    status,
    headers: {
      'Content-Type': 'application/json',
      'Content-Length': body.length,
      ...(status === 503 || status === 429 ? { 'Retry-After': RETRY_AFTER } : {}),
      // what is still to come of a body that is too large is not read to get at the next request
      ...(status === 413 ? { Connection: 'close' } : {}),
      ...headers,
    },
    body,
  };
}

interface Answer {
  readonly status: number;
  readonly code: OciErrorCode;
  readonly headers: OutgoingHttpHeaders;
}

/** What each code of ours is called when content is read, and when the client sends content; `unknown` is the context's own. */
const ANSWERS: Readonly<
  Record<
    ErrorCode,
    { readonly pull: OciErrorCode | 'unknown'; readonly push?: OciErrorCode; readonly status?: { pull?: number; push?: number } }
  >
> = {
  'not-found': { pull: 'unknown' },
  'origin-unauthorized': { pull: 'unknown' },
  'origin-denied': { pull: 'unknown' },
  'reference-invalid': { pull: 'MANIFEST_UNKNOWN', push: 'MANIFEST_INVALID' },
  'digest-invalid': { pull: 'DIGEST_INVALID' },
  'name-invalid': { pull: 'NAME_INVALID' },
  'manifest-invalid': { pull: 'MANIFEST_INVALID' },
  'digest-mismatch': { pull: 'UNAVAILABLE', push: 'DIGEST_INVALID' },
  'size-mismatch': { pull: 'UNAVAILABLE', push: 'SIZE_INVALID' },
  'range-invalid': { pull: 'SIZE_INVALID', status: { pull: 416, push: 416 } },
  'too-large': { pull: 'SIZE_INVALID', status: { pull: 413, push: 413 } },
  // DENIED makes dockerd give up at once instead of sending the layer five times more
  'disk-full': { pull: 'UNAVAILABLE', push: 'DENIED', status: { push: 507 } },
  unsupported: { pull: 'UNAVAILABLE', push: 'UNSUPPORTED' },
  denied: { pull: 'DENIED' },
  'origin-conflict': { pull: 'UNAVAILABLE' },
  'origin-unknown': { pull: 'UNAVAILABLE' },
  'origin-unreachable': { pull: 'UNAVAILABLE' },
  'origin-rate-limited': { pull: 'UNAVAILABLE' },
  'verification-failed': { pull: 'UNAVAILABLE' },
  'peer-misbehaved': { pull: 'UNAVAILABLE' },
  'peer-gone': { pull: 'UNAVAILABLE' },
  unavailable: { pull: 'UNAVAILABLE' },
  timeout: { pull: 'UNAVAILABLE' },
  aborted: { pull: 'UNAVAILABLE' },
  usage: { pull: 'UNKNOWN' },
  'config-invalid': { pull: 'UNKNOWN' },
  'store-locked': { pull: 'UNKNOWN' },
  'store-format': { pull: 'UNKNOWN' },
  'store-unwritable': { pull: 'UNAVAILABLE' },
  'port-taken': { pull: 'UNKNOWN' },
  'key-invalid': { pull: 'UNKNOWN' },
  'agent-unreachable': { pull: 'UNKNOWN' },
  internal: { pull: 'UNKNOWN' },
};

function answerOf(error: unknown, context: ErrorContext): Answer {
  if (error instanceof OciError) return { status: error.status, code: error.ociCode, headers: error.headers };
  const entry = ANSWERS[errorCode(error)];
  const named = context.isPush ? (entry.push ?? entry.pull) : entry.pull;
  const code = named === 'unknown' ? context.unknown : named;
  const status = (context.isPush ? entry.status?.push : entry.status?.pull) ?? OCI_ERROR_STATUS[code];
  return { status, code, headers: status === 416 ? { 'Content-Range': `bytes */${sizeOf(error)}` } : {} };
}

function sizeOf(error: unknown): number | '*' {
  const size = error instanceof LayerswarmError ? error.detail?.['size'] : undefined;
  return typeof size === 'number' ? size : '*';
}
