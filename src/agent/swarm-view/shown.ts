/** A member's text as people may see it: without characters that control a terminal, or turn the direction of what stands around it. */
export function shown(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]/gu, '?');
}

/** No line and no disk of a node gives more than 100 Gbit/s: a member that says so is mistaken, or lies. */
const MOST_PER_SECOND = 12.5e9;

/** What may be believed of a number of bytes in so many seconds. */
export function plausible(bytes: number, seconds: number): number {
  return Math.min(bytes, MOST_PER_SECOND * seconds);
}
