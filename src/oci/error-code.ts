import { z } from 'zod';

/** distribution-spec 1.1, "Error Codes", with the HTTP status that fits each; and `UNKNOWN` and `UNAVAILABLE` of distribution. */
export const OCI_ERROR_STATUS = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 404,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 400,
  UNAUTHORIZED: 401,
  DENIED: 403,
  UNSUPPORTED: 405,
  TOOMANYREQUESTS: 429,
  UNKNOWN: 500,
  UNAVAILABLE: 503,
} as const;

export type OciErrorCode = keyof typeof OCI_ERROR_STATUS;

/** The JSON body of an error answer. */
export function ociErrorBody(code: OciErrorCode, message: string, detail?: unknown): Buffer {
  return Buffer.from(`${JSON.stringify({ errors: [{ code, message, ...(detail === undefined ? {} : { detail }) }] })}\n`);
}

const MAX_ERRORS = 16;
const MAX_TEXT = 200;
const errorBody = z.object({ errors: z.array(z.object({ code: z.string(), message: z.string().optional() })).max(MAX_ERRORS) });

/** Codes and messages out of a registry's error body; empty when it is no such body. Texts are bounded and hold no control characters. */
export function parseOciErrors(body: Uint8Array): { code: string; message: string }[] {
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    return []; // proxies in front of registries answer HTML
  }
  const parsed = errorBody.safeParse(document);
  return parsed.success
    ? parsed.data.errors.map(({ code, message }) => ({ code: printable(code), message: printable(message ?? '') }))
    : [];
}

function printable(text: string): string {
  return text
    .slice(0, MAX_TEXT)
    .replaceAll(/[^\x20-\x7e]+/g, ' ')
    .trim();
}
