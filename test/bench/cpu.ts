import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** Of what `/proc` counts. */
const TICKS_A_SECOND = 100;

/** CPU seconds that processes have used so far, those they waited for among them; one that has ended counts as none. */
export function cpuSecondsOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    try {
      // proc_pid_stat(5): utime, stime, cutime, cstime after the name, which may hold anything.
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
      return sum + fields.slice(11, 15).reduce((ticks, field) => ticks + Number(field), 0) / TICKS_A_SECOND;
    } catch {
      return sum;
    }
  }, 0);
}

/** Starts counting; the result tells the share of the machine's cores that was in use since. */
export function startBusyClock(): () => number {
  const before = busySeconds();
  const begin = performance.now();
  return () => (busySeconds() - before) / ((performance.now() - begin) / 1000) / cpus().length;
}

function busySeconds(): number {
  const fields = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]!.split(/\s+/).slice(1).map(Number);
  // user, nice, system, irq, softirq
  return [0, 1, 2, 5, 6].reduce((sum, i) => sum + fields[i]!, 0) / TICKS_A_SECOND;
}

/** Resident memory of a process in bytes: now, and the most it ever had. */
export function residentMemory(pid: number): { readonly now: number; readonly most: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const of = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024;
  return { now: of('VmRSS'), most: of('VmHWM') };
}
