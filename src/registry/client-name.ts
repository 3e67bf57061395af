/** Programs that pull, as far as they are told apart: a small, fixed set. `cli` is this program itself, on this host or for a member. */
export const CLIENTS = ['containerd', 'dockerd', 'podman', 'crio', 'skopeo', 'cli', 'other'] as const;
export type ClientName = (typeof CLIENTS)[number];

const BEGINNINGS: readonly (readonly [beginning: RegExp, client: ClientName])[] = [
  [/^(containerd|nerdctl)\//i, 'containerd'],
  [/^docker\//i, 'dockerd'],
  [/^(libpod|podman|buildah|containers)\//i, 'podman'],
  [/^cri-o\//i, 'crio'],
  [/^skopeo\//i, 'skopeo'],
];

/** By the User-Agent of a request. */
export function clientName(userAgent: string | undefined): ClientName {
  return BEGINNINGS.find(([beginning]) => beginning.test(userAgent ?? ''))?.[1] ?? 'other';
}
