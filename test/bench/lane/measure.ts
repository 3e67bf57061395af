/** What one process spent while it moved the bytes. */
export interface Spent {
  readonly seconds: number;
  /** User and system, of all threads. */
  readonly cpuSeconds: number;
}

/** Starts counting; the result tells what was spent since. */
export function startCounting(): () => Spent {
  const cpu = process.cpuUsage();
  const start = performance.now();
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return { seconds: (performance.now() - start) / 1000, cpuSeconds: (user + system) / 1e6 };
  };
}
