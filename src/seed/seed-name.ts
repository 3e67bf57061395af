import { LayerswarmError } from '../errors.ts';
import { Reference } from '../oci/reference.ts';

/**
 * What an image is called at the origin: of a name with another registry the repository and tag remain.
 * @throws `usage` without a name, `reference-invalid`
 */
export function seedName(text: string | undefined, registryName: string): Reference {
  if (text === undefined) {
    throw new LayerswarmError('usage', 'this source has no name of its own: say what to call the image with --as NAME:TAG');
  }
  const typed = Reference.parse(text, { defaultRegistry: registryName }).withDefaultTag();
  if (typed.tag === undefined)
    throw new LayerswarmError('usage', 'an image is seeded under a tag, not under a digest: say which with --as NAME:TAG');
  return Reference.of({ registry: registryName, repository: typed.repository, tag: typed.tag });
}
