/**
 * What people call an origin that is embedded in a node. Its images are known as `NAME.embedded/…`: no registry on a network has such a
 * host, and no configuration may name one, so that no member can take a registry's name by calling itself so.
 */

const SUFFIX = '.embedded';
/** Shorter than any peer id, under which the images are kept: no name can be another node's id. */
const MAX_LENGTH = 40;
const LABEL = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;

export function isOriginName(text: string): boolean {
  return text.length <= MAX_LENGTH && text.split('.').every((label) => LABEL.test(label));
}

/** The nearest name to what a host is called. */
export function originNameFrom(host: string): string {
  const labels = host
    .toLowerCase()
    .slice(0, MAX_LENGTH)
    .split('.')
    .map((label) => label.replace(/[^a-z0-9-]+/g, '-').replace(/^-+|-+$/g, ''))
    .filter((label) => label !== '');
  return labels.join('.') || 'origin';
}

/** The registry part of references as people write them. */
export function registryCalled(name: string): string {
  return `${name}${SUFFIX}`;
}

/** Whether a registry's host is of the kind that only embedded origins have. */
export function isEmbeddedRegistry(host: string): boolean {
  return host.toLowerCase().endsWith(SUFFIX);
}
