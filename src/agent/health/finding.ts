import type { HealthLevel } from '../../status/status-document.ts';

/** How one part is now; `sentence` is one line for a person. */
export interface Finding {
  readonly level: HealthLevel;
  readonly sentence: string;
}

export const ok = (sentence: string): Finding => ({ level: 'ok', sentence });
export const degraded = (sentence: string): Finding => ({ level: 'degraded', sentence });
export const bad = (sentence: string): Finding => ({ level: 'bad', sentence });
export const unknown = (sentence: string): Finding => ({ level: 'unknown', sentence });
