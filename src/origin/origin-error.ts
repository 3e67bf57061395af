import { type ErrorCode, LayerswarmError } from '../errors.ts';
import { parseOciErrors } from '../oci/error-code.ts';

/** What a failed request means for whoever repeats it, beside the error itself. */
export interface Failure {
  readonly error: LayerswarmError;
  /** The same request may succeed later. */
  readonly transient: boolean;
  /** The registry could not be reached or could not work: counts against its health. */
  readonly outage: boolean;
  /** Milliseconds, where the registry asked for a pause. */
  readonly retryAfter?: number | undefined;
}

/** Carries a `Failure` from one attempt to the retries. */
export class AttemptFailed extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.error.message, { cause: failure.error });
    this.failure = failure;
  }
}

const TRANSIENT_STATUS: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);
const OUTAGE_STATUS: ReadonlySet<number> = new Set([502, 503, 504]);

/** @param what the request in words, e.g. "the tag list of team/app" */
export function statusFailure(what: string, registry: string, status: number, body: Uint8Array, retryAfter: number | undefined): Failure {
  const reported = parseOciErrors(body);
  const said = reported
    .map(({ code, message }) => (message === '' ? code : `${code}: ${message}`))
    .join('; ')
    .slice(0, 300);
  const error = new LayerswarmError(
    codeOf(status, reported[0]?.code),
    `${registry} answered ${status} for ${what}${said === '' ? '' : ` (${said})`}${advice(status)}`,
    { detail: { status, ...(retryAfter === undefined ? {} : { retryAfterMs: retryAfter }) } },
  );
  return { error, transient: TRANSIENT_STATUS.has(status), outage: OUTAGE_STATUS.has(status), retryAfter };
}

function codeOf(status: number, ociCode: string | undefined): ErrorCode {
  if (status >= 500) return 'origin-unreachable';
  switch (status) {
    case 400:
      return codeOfBadRequest(ociCode);
    case 401:
      return 'origin-unauthorized';
    case 404:
    case 410:
      return 'not-found';
    case 405:
      return 'unsupported';
    case 408:
      return 'timeout';
    case 409:
    case 412:
      return 'origin-conflict';
    case 413:
      return 'too-large';
    case 416:
      return 'range-invalid';
    case 429:
      return 'origin-rate-limited';
    default:
      return 'origin-denied';
  }
}

function codeOfBadRequest(ociCode = ''): ErrorCode {
  switch (ociCode) {
    case 'NAME_INVALID':
      return 'name-invalid';
    case 'DIGEST_INVALID':
      return 'digest-mismatch';
    case 'SIZE_INVALID':
      return 'size-mismatch';
    case 'MANIFEST_INVALID':
    case 'MANIFEST_UNVERIFIED':
      return 'manifest-invalid';
    case 'MANIFEST_UNKNOWN':
    case 'BLOB_UNKNOWN':
    case 'NAME_UNKNOWN':
    case 'MANIFEST_BLOB_UNKNOWN':
      return 'not-found';
    default:
      return 'origin-denied';
  }
}

function advice(status: number): string {
  if (status === 401) return '; check the credentials';
  if (status === 403) return '; the credentials do not allow it';
  if (status === 429) return '; it limits the rate of requests, try again later or log in';
  return '';
}

const CERTIFICATE_CODES: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_GET_ISSUER_CERT',
  'CERT_UNTRUSTED',
  'CERT_SIGNATURE_FAILURE',
]);
const TLS_REASONS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'its certificate has expired; renew it there',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet; check the clocks',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name; use the name in the certificate',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS; if that is meant, write its URL with http://',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it does not speak TLS; if that is meant, write its URL with http://',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'it asks for a client certificate; configure one',
};
const NETWORK_REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused; check that it runs',
  ENOTFOUND: 'its name cannot be resolved; check the URL and the name server',
  EAI_AGAIN: 'the name server does not answer',
  EHOSTUNREACH: 'no route to it',
  ENETUNREACH: 'the network is unreachable',
  ETIMEDOUT: 'it does not answer',
  ECONNRESET: 'it ended the connection',
  EPIPE: 'it ended the connection',
  UND_ERR_SOCKET: 'it ended the connection',
  UND_ERR_CONNECT_TIMEOUT: 'it does not answer',
};

/** @param signal the caller's own: where it ended the request, that is what is said */
export function transportFailure(what: string, registry: string, error: unknown, signal: AbortSignal | undefined): Failure {
  if (error instanceof AttemptFailed) return error.failure;
  if (error instanceof LayerswarmError) return { error, transient: false, outage: false };
  if (signal?.aborted === true) return { error: abortedError(what, signal), transient: false, outage: false };
  const code = networkCode(error);
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT' || code === 'TimeoutError') {
    const phase = code === 'UND_ERR_BODY_TIMEOUT' ? 'stopped sending' : 'did not answer in time';
    return { error: new LayerswarmError('timeout', `${registry} ${phase}: ${what}`, { cause: error }), transient: true, outage: true };
  }
  if (code === 'UND_ERR_DESTROYED' || code === 'UND_ERR_CLOSED') {
    return {
      error: new LayerswarmError('aborted', `${what}: the client of ${registry} was closed`, { cause: error }),
      transient: false,
      outage: false,
    };
  }
  const isTls = CERTIFICATE_CODES.has(code) || code in TLS_REASONS;
  const reason = CERTIFICATE_CODES.has(code)
    ? 'its certificate is not trusted; give the file of its authority as originCa'
    : (TLS_REASONS[code] ?? NETWORK_REASONS[code] ?? `the connection failed (${code})`);
  return {
    error: new LayerswarmError('origin-unreachable', `cannot reach ${registry}: ${reason}`, { cause: error }),
    transient: !isTls,
    outage: true,
  };
}

export function abortedError(what: string, signal: AbortSignal): LayerswarmError {
  const timedOut = signal.reason instanceof Error && signal.reason.name === 'TimeoutError';
  return new LayerswarmError(
    timedOut ? 'timeout' : 'aborted',
    timedOut ? `${what}: not done in the time given` : `${what}: given up by whoever asked`,
    { cause: signal.reason },
  );
}

function networkCode(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code === 'string') return code;
  return error.cause === undefined ? error.name : networkCode(error.cause);
}
