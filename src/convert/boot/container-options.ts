import type Docker from 'dockerode';

export interface SystemContainer {
  readonly image: string;
  readonly cgroupV1: boolean;
  readonly network: string | undefined;
  /** `host:guest` */
  readonly binds?: readonly string[];
}

/**
 * What systemd needs as PID 1: its runtime folders in memory, and control groups. Version 1: the host's, read-only; writable they
 * would let it leave slices on the host. Version 2: a namespace of its own.
 */
export function systemContainer({ image, cgroupV1, network, binds = [] }: SystemContainer): Docker.ContainerCreateOptions {
  return {
    Image: image,
    Cmd: ['/sbin/init'],
    Env: ['container=docker'],
    StopSignal: 'SIGRTMIN+3',
    HostConfig: {
      Tmpfs: { '/run': '', '/run/lock': '' },
      Binds: [...binds, ...(cgroupV1 ? ['/sys/fs/cgroup:/sys/fs/cgroup:ro'] : [])],
      ...(!cgroupV1 && { CgroupnsMode: 'private' as const }),
      ...(network !== undefined && { NetworkMode: network }),
    },
  };
}
