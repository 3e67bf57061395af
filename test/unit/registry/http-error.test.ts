import test from 'ava';
import { type ErrorCode, LayerswarmError } from '../../../src/errors.ts';
import { errorResponse, OciError } from '../../../src/registry/http-error.ts';

const PULL = { unknown: 'BLOB_UNKNOWN', isPush: false } as const;
const PUSH = { unknown: 'MANIFEST_BLOB_UNKNOWN', isPush: true } as const;

const ROWS: readonly (readonly [code: ErrorCode, pull: string, push?: string])[] = [
  ['not-found', '404 BLOB_UNKNOWN', '404 MANIFEST_BLOB_UNKNOWN'],
  // a mirror's clients go on to the next host, and are never asked for credentials
  ['origin-unauthorized', '404 BLOB_UNKNOWN'],
  ['origin-denied', '404 BLOB_UNKNOWN'],
  ['origin-unreachable', '503 UNAVAILABLE'],
  ['origin-unknown', '503 UNAVAILABLE'],
  ['origin-rate-limited', '503 UNAVAILABLE'],
  ['timeout', '503 UNAVAILABLE'],
  ['unavailable', '503 UNAVAILABLE'],
  ['verification-failed', '503 UNAVAILABLE'],
  ['digest-mismatch', '503 UNAVAILABLE', '400 DIGEST_INVALID'],
  ['size-mismatch', '503 UNAVAILABLE', '400 SIZE_INVALID'],
  ['manifest-invalid', '400 MANIFEST_INVALID', '400 MANIFEST_INVALID'],
  ['too-large', '413 SIZE_INVALID', '413 SIZE_INVALID'],
  ['store-unwritable', '503 UNAVAILABLE'],
  ['unsupported', '503 UNAVAILABLE', '405 UNSUPPORTED'],
  ['disk-full', '503 UNAVAILABLE', '507 DENIED'],
  ['digest-invalid', '400 DIGEST_INVALID', '400 DIGEST_INVALID'],
  ['name-invalid', '400 NAME_INVALID', '400 NAME_INVALID'],
  ['reference-invalid', '404 MANIFEST_UNKNOWN', '400 MANIFEST_INVALID'],
  ['internal', '500 UNKNOWN', '500 UNKNOWN'],
];

for (const [code, pull, push] of ROWS) {
  test(`${code} is answered with ${pull}${push === undefined ? '' : `, and ${push} to a push`}`, (t) => {
    const error = new LayerswarmError(code, 'why');
    for (const [context, expected] of [
      [PULL, pull],
      [PUSH, push],
    ] as const) {
      if (expected === undefined) continue;
      const { status, headers, body } = errorResponse(error, context);
      const { errors } = JSON.parse((body as Buffer).toString()) as { errors: { code: string; message: string }[] };
      t.is(`${status} ${errors[0]?.code}`, expected);
      t.is(errors[0]?.message, 'why');
      t.is(headers['Content-Length'], (body as Buffer).length);
      t.is(headers['Retry-After'] !== undefined, status === 503);
      t.is(headers['WWW-Authenticate'], undefined);
    }
  });
}

test('an unsatisfiable range says how long the blob is', (t) => {
  const { status, headers } = errorResponse(new LayerswarmError('range-invalid', 'why', { detail: { size: 5 } }), PULL);
  t.is(status, 416);
  t.is(headers['Content-Range'], 'bytes */5');
});

test('an error that no part expected keeps its text for the log', (t) => {
  const { status, body } = errorResponse(new TypeError('secret innards'), PULL);
  t.is(status, 500);
  t.false((body as Buffer).includes('secret'));
});

test('an error with an answer of its own is answered with that', (t) => {
  const { status, headers } = errorResponse(new OciError(405, 'UNSUPPORTED', 'no', { headers: { Allow: 'GET' } }), PUSH);
  t.is(status, 405);
  t.is(headers['Allow'], 'GET');
});
