import { LayerswarmError } from '../errors.ts';

// distribution-spec 1.1, "Pulling manifests": the grammar of <name> and of <reference> as a tag. The separators of a path
// component start with a character that the component's own characters exclude, so matching is linear.
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

/** Many clients limit host and name together to 255 characters (distribution-spec, note on <name>); no registry takes a longer name. */
const MAX_REPOSITORY_LENGTH = 255;

export function isRepositoryName(text: string): boolean {
  return text.length <= MAX_REPOSITORY_LENGTH && REPOSITORY.test(text);
}

export function isTag(text: string): boolean {
  return TAG.test(text);
}

/** Returns `text`. @throws LayerswarmError `name-invalid` */
export function checkRepositoryName(text: string): string {
  if (isRepositoryName(text)) return text;
  throw new LayerswarmError('name-invalid', `expected a repository name such as library/alpine (lower case), received ${quote(text)}`);
}

/** Returns `text`. @throws LayerswarmError `reference-invalid` */
export function checkTag(text: string): string {
  if (isTag(text)) return text;
  throw new LayerswarmError(
    'reference-invalid',
    `expected a tag of at most 128 letters, digits, "_", "." and "-", received ${quote(text)}`,
  );
}

/** Untrusted text for a message: bounded, and with control characters escaped. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}
