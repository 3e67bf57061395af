import { errorCode, LayerswarmError } from '../../errors.ts';

/** Why a member did not do what it was asked, for the line of a report that names the member. */
export function memberFailure(error: unknown): { readonly state: 'refused' | 'gone' | 'failed'; readonly reason: string } {
  const code = errorCode(error);
  const state = code === 'denied' || code === 'unsupported' ? 'refused' : code === 'peer-gone' || code === 'timeout' ? 'gone' : 'failed';
  const said = error instanceof LayerswarmError ? error.detail?.['said'] : undefined;
  return { state, reason: typeof said === 'string' ? said : error instanceof Error ? error.message : String(error) };
}
