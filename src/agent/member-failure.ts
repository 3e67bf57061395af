import { errorCode } from '../errors.ts';

/** Why a member did not do what it was asked, for the line of a report. */
export function memberFailure(error: unknown): { readonly state: 'refused' | 'gone' | 'failed'; readonly reason: string } {
  const code = errorCode(error);
  const state = code === 'denied' || code === 'unsupported' ? 'refused' : code === 'peer-gone' || code === 'timeout' ? 'gone' : 'failed';
  return { state, reason: error instanceof Error ? error.message : String(error) };
}
