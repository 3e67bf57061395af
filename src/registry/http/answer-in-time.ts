import { LayerswarmError } from '../../errors.ts';
import type { RegistryRequest, RegistryResponse } from './message.ts';
import type { Parameters, Route } from './router.ts';

/**
 * Runs the handler until the route's deadline: clients wait for ever on headers that never come.
 * @param tooLate told of the answer that comes after it, which is nobody's
 * @throws `timeout`, and what the handler throws
 */
export async function answerInTime(
  route: Route,
  parameters: Parameters,
  request: Omit<RegistryRequest, 'signal'>,
  client: AbortSignal,
  tooLate: (unwanted: Promise<RegistryResponse>) => void,
): Promise<RegistryResponse> {
  const deadline = new AbortController();
  const signal = AbortSignal.any([client, deadline.signal]);
  const running = Promise.resolve(route.handle({ ...request, signal }, parameters));
  if (route.deadlineMs === undefined) return running;
  const late = new LayerswarmError(
    'timeout',
    `no answer within ${route.deadlineMs / 1000} s: the origin and the swarm are slow or away; try again`,
  );
  const { promise: timeout, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    deadline.abort(late);
    reject(late);
    tooLate(running);
  }, route.deadlineMs);
  try {
    return await Promise.race([running, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
