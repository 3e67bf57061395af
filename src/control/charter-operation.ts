import { z } from 'zod';
import type { CharterStatus } from '../status/status-document.ts';

/** The charter that the node follows, as it was signed; `text` is null before it has met one. */
export interface CharterOperation {
  readonly request: Record<string, never>;
  readonly progress: never;
  readonly result: { readonly text: string | null; readonly status: CharterStatus };
}

/** Gives the node a newer one, which it passes on. */
export interface CharterPublishOperation {
  readonly request: { readonly text: string };
  readonly progress: never;
  readonly result: { readonly serial: number; readonly status: CharterStatus };
}

export const charterPublishRequest: z.ZodType<CharterPublishOperation['request']> = z.strictObject({ text: z.string().max(65_536) });
