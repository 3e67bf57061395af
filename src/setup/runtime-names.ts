/** Alone in its file, so that the help of the command loads no parser. */
export const RUNTIMES = ['containerd', 'docker', 'podman', 'crio', 'k3s', 'rke2', 'nerdctl', 'buildkit'] as const;
export type RuntimeName = (typeof RUNTIMES)[number];
