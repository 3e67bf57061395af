/**
 * The one error type that crosses a part's border. `code` is stable and is what callers match on;
 * `src/registry/http-error.ts` turns it into HTTP answers and `src/cli/exit-code.ts` into exit codes.
 * `message` is one line for a person: what, why, and what to do.
 */
export type ErrorCode =
  // wrong use or bad configuration
  | 'usage'
  | 'config-invalid'
  | 'reference-invalid'
  | 'digest-invalid'
  | 'name-invalid'
  | 'manifest-invalid'
  | 'store-locked'
  | 'store-format'
  | 'store-unwritable'
  | 'port-taken'
  | 'key-invalid'
  // what was asked for is not there
  | 'not-found'
  // content that is not what it says it is
  | 'digest-mismatch'
  | 'size-mismatch'
  | 'verification-failed'
  // the other side
  | 'agent-unreachable'
  | 'origin-unknown'
  | 'origin-unreachable'
  | 'origin-unauthorized'
  | 'origin-denied'
  | 'origin-conflict'
  | 'origin-rate-limited'
  | 'peer-misbehaved'
  | 'peer-gone'
  | 'unavailable'
  // limits and life cycle
  | 'range-invalid'
  | 'too-large'
  | 'disk-full'
  | 'timeout'
  | 'aborted'
  | 'unsupported'
  | 'denied'
  | 'internal';

export class LayerswarmError extends Error {
  readonly code: ErrorCode;
  /** Machine-readable particulars, e.g. the digest or the key of the configuration; never a secret. */
  readonly detail: Readonly<Record<string, unknown>> | undefined;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; detail?: Record<string, unknown> } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'LayerswarmError';
    this.code = code;
    this.detail = options.detail;
  }
}

/** The code of `error`, also for Node's own errors that have a plain meaning here. */
export function errorCode(error: unknown): ErrorCode {
  if (error instanceof LayerswarmError) return error.code;
  if (error instanceof Error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC' || code === 'EDQUOT') return 'disk-full';
    if (code === 'EADDRINUSE') return 'port-taken';
    if (error.name === 'TimeoutError') return 'timeout';
    if (error.name === 'AbortError' || code === 'ABORT_ERR') return 'aborted';
  }
  return 'internal';
}
