import { containerd } from './containerd.ts';
import { docker } from './docker.ts';
import { podman } from './podman.ts';
import type { RuntimeName } from './runtime-names.ts';
import type { Runtime } from './runtime.ts';

const BY_NAME: Readonly<Record<RuntimeName, Runtime>> = { containerd, docker, podman };

export function runtime(name: RuntimeName): Runtime {
  return BY_NAME[name];
}
