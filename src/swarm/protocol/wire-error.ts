import { LayerswarmError, type ErrorCode } from '../../errors.ts';
import type { MessageOf } from './message.ts';

/**
 * The codes that cross between members. Every other one speaks of the node where it arose (its disk, its configuration), and
 * would mislead here: such a failure travels as `unavailable`.
 */
const WIRE_CODES: ReadonlySet<string> = new Set<ErrorCode>([
  'not-found',
  'origin-unknown',
  'origin-unreachable',
  'origin-unauthorized',
  'origin-denied',
  'origin-rate-limited',
  'unavailable',
  'range-invalid',
  'too-large',
  'timeout',
  'unsupported',
  'denied',
  'name-invalid',
  'reference-invalid',
]);

const MAX_TEXT = 400;

/** What a handler threw, as the answer that its caller gets. Only a LayerswarmError speaks; anything else could hold a secret. */
export function toWireError(error: unknown): MessageOf<'error'> {
  if (!(error instanceof LayerswarmError)) return { type: 'error', code: 'unavailable', message: 'the peer failed to answer' };
  return { type: 'error', code: WIRE_CODES.has(error.code) ? error.code : 'unavailable', message: error.message.slice(0, MAX_TEXT) };
}

/** The answer of a peer as an error of this node; `said` of its detail is the peer's text alone. That is a stranger's: shortened, and without control characters. */
export function fromWireError(peerId: string, answer: MessageOf<'error'>): LayerswarmError {
  const code = WIRE_CODES.has(answer.code) ? (answer.code as ErrorCode) : 'unavailable';
  const text = answer.message.slice(0, MAX_TEXT).replace(/\p{Cc}+/gu, ' ');
  return new LayerswarmError(code, `peer ${peerId}: ${text}`, { detail: { peerId, said: text } });
}
