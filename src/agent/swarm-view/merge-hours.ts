import type { AboutHour } from '../../status/swarm-document.ts';
import { plausible } from './shown.ts';
import type { Summary } from './summary.ts';

const MINUTES = 60;
/** Clocks of members that are further apart than this are not compared. */
const CLOSE_MINUTES = 2;

/** Pure: minutes of all on top of each other; those of a member whose clock is far off count as if it were right. */
export function mergeHours(hours: readonly Summary['hour'][]): AboutHour {
  const minute = hours[0]?.minute ?? 0;
  const totals = { origin: Array.from({ length: MINUTES }, () => 0), peers: Array.from({ length: MINUTES }, () => 0) };
  for (const hour of hours) {
    const behind = minute - hour.minute;
    const shift = Math.abs(behind) <= CLOSE_MINUTES ? behind : 0;
    for (const kind of ['origin', 'peers'] as const) {
      const [minutes, sums] = [hour[kind], totals[kind]];
      const start = MINUTES - minutes.length - shift;
      for (let index = Math.max(0, -start); index < minutes.length && start + index < MINUTES; index++)
        sums[start + index]! += plausible(minutes[index]!, 60);
    }
  }
  return { minute, ...totals };
}
