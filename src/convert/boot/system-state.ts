import type Docker from 'dockerode';
import { setTimeout as delay } from 'node:timers/promises';
import { LayerswarmError } from '../../errors.ts';

const POLL_MS = 200;
const STEADY_MS = 3000;

/** Runs a command in a container, and gives what it prints. */
export async function execIn(container: Docker.Container, command: readonly string[]): Promise<string> {
  const exec = await container.exec({ Cmd: [...command], AttachStdout: true, AttachStderr: true, Tty: true });
  const stream = (await exec.start({ Tty: true })) as unknown as AsyncIterable<Buffer>;
  let text = '';
  for await (const chunk of stream) text = (text + chunk.toString('utf8')).slice(-65_536);
  return text.trim();
}

/**
 * Waits until systemd has started what it should, or has given some of it up, and has stayed so: a service that fails at once is tried
 * again several times before its failure shows.
 */
export async function waitForSystem(
  container: Docker.Container,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<'running' | 'degraded'> {
  const end = performance.now() + timeoutMs;
  let state = 'nothing yet';
  let since = Infinity;
  while (performance.now() < end || since < Infinity) {
    signal?.throwIfAborted();
    const { State } = await container.inspect();
    if (!State.Running)
      throw new LayerswarmError(
        'unavailable',
        `the container has ended with exit code ${State.ExitCode}${State.Error === '' ? '' : `: ${State.Error}`}`,
      );
    const before = state;
    state = await execIn(container, ['systemctl', 'is-system-running']);
    if (state !== 'running' && state !== 'degraded') since = Infinity;
    else if (state !== before) since = performance.now();
    else if (performance.now() - since >= STEADY_MS) return state;
    await delay(POLL_MS);
  }
  throw new LayerswarmError(
    'timeout',
    `the system has not come up within ${timeoutMs / 1000} s: systemctl is-system-running says ${JSON.stringify(state.slice(0, 100))}`,
  );
}
