import { printable } from '../table.ts';
import type { Check } from './checks.ts';

/** A line a check. */
export function formatChecks(checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ check }) => check.length));
  return checks.map(({ check, level, sentence }) => `${level.padEnd(8)}  ${check.padEnd(width)}  ${printable(sentence)}`).join('\n');
}
