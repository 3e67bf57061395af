/** How a mirror is named in a path, where a colon cannot be. */
export function mirrorPath(registry: string): string {
  return registry.replace(':', '_');
}

/** `docker.io/library/alpine` where `docker.io` is one of `mirrors`; undefined for a path that begins with none of them. */
export function splitMirrorPath(
  path: string,
  mirrors: readonly string[],
): { readonly registry: string; readonly repository: string } | undefined {
  const slash = path.indexOf('/');
  const registry = slash === -1 ? undefined : mirrors.find((mirror) => mirrorPath(mirror) === path.slice(0, slash));
  if (registry === undefined) return undefined;
  const rest = path.slice(slash + 1);
  return { registry, repository: registry === 'docker.io' && !rest.includes('/') ? `library/${rest}` : rest };
}
