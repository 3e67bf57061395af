import type { ExecutionContext } from 'ava';
import type { Origin } from '../../../src/origin/origin.ts';
import { anonymous } from '../../../src/origin/credentials.ts';
import { RegistryOrigin } from '../../../src/origin/registry-origin.ts';
import { type DockerRegistry, startDockerRegistry } from '../../support/docker-registry.ts';
import { type FaultProxy, startFaultProxy } from '../../support/fault-proxy.ts';

export interface OriginBehindFaults {
  /** Pushes go here, past the faults. */
  readonly registry: DockerRegistry;
  readonly faults: FaultProxy;
  readonly origin: Origin;
}

/** A real registry, whose only reader comes by a proxy that can fail. Needs the tool `docker-registry`. */
export async function startOrigin(t: ExecutionContext): Promise<OriginBehindFaults> {
  const registry = await startDockerRegistry(t);
  const faults = await startFaultProxy(t, registry.url);
  const origin = new RegistryOrigin({ url: faults.url, credentials: anonymous, retry: { attempts: 2, baseMs: 1, maxMs: 1 } });
  t.teardown(() => origin.close());
  return { registry, faults, origin };
}
