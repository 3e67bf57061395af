import { buildkit } from './buildkit.ts';
import { containerd } from './containerd.ts';
import { crio } from './crio.ts';
import { docker } from './docker.ts';
import { k3s, rke2 } from './k3s.ts';
import { nerdctl } from './nerdctl.ts';
import { podman } from './podman.ts';
import type { RuntimeName } from './runtime-names.ts';
import type { Runtime } from './runtime.ts';

const BY_NAME: Readonly<Record<RuntimeName, Runtime>> = { containerd, docker, podman, crio, k3s, rke2, nerdctl, buildkit };

export function runtime(name: RuntimeName): Runtime {
  return BY_NAME[name];
}
