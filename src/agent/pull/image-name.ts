import { LayerswarmError } from '../../errors.ts';
import { splitMirrorPath } from '../../oci/mirror-path.ts';
import { Reference } from '../../oci/reference.ts';
import { withoutPrefix } from '../../registry/namespace.ts';

export interface ImageNameOptions {
  /** The registry part of the origin's images; undefined while no origin is known. */
  readonly registryName: () => string | undefined;
  /** What the origin's repositories begin with in references where it is under a path. */
  readonly repositoryPrefix?: () => string;
  /** A full name as people know it. */
  readonly shown?: (text: string) => string;
  /** Other registries that the origin stands for, lower case. */
  readonly mirrors: () => readonly string[];
  /** Registries with an upstream of their own, lower case. */
  readonly upstreams?: () => readonly string[];
  /** `host:port` of this node's own endpoint, which people copy from what they gave dockerd. */
  readonly endpoint: () => string;
}

/** An image as the origin knows it. */
export interface ImageName {
  /** With the origin's registry, and a tag or digest. */
  readonly reference: Reference;
  /** At the origin, as in `/v2/<name>/`. */
  readonly name: string;
  /** `registry/name`, as the image store has it. */
  readonly full: string;
}

/**
 * Reads what a person typed: a bare name is the origin's, and one with a registry must be of the origin, of a registry that it
 * stands for, or of one that this node mirrors. @throws `reference-invalid`, `origin-unknown`
 */
export function parseImageName(text: string, options: ImageNameOptions): ImageName {
  const registry = options.registryName();
  const [mirrors, upstreams] = [options.mirrors(), options.upstreams?.() ?? []];
  const typed = Reference.parse(text, { defaultRegistry: registry ?? 'origin.invalid' }).withDefaultTag();
  const mirrored = mirroredName(typed, upstreams, options.endpoint());
  if (mirrored !== undefined && mirrored.registry !== registry) return imageName(mirrored);
  if (registry === undefined) {
    throw new LayerswarmError(
      'origin-unknown',
      'this node does not know its origin yet: give it one with --origin, or wait until it has met a member that knows it',
    );
  }
  if (typed.registry !== registry && typed.registry !== options.endpoint() && !mirrors.includes(typed.registry)) {
    const known = new Set([options.shown?.(registry) ?? registry, ...mirrors, ...upstreams]);
    throw new LayerswarmError(
      'reference-invalid',
      `expected an image of ${[...known].join(' or ')}, received ${typed.toString()}: name it as the origin does, or add ${typed.registry} to mirrors`,
    );
  }
  return imageName(
    Reference.of({
      registry,
      repository: withoutPrefix(typed.repository, options.repositoryPrefix?.() ?? ''),
      tag: typed.tag,
      digest: typed.digest,
    }),
  );
}

/** By the registry itself, or by this node's endpoint and the path under which it has that registry. */
function mirroredName(typed: Reference, upstreams: readonly string[], endpoint: string): Reference | undefined {
  if (upstreams.includes(typed.registry)) return typed;
  const found = typed.registry === endpoint ? splitMirrorPath(typed.repository, upstreams) : undefined;
  return found === undefined ? undefined : Reference.of({ ...found, tag: typed.tag, digest: typed.digest });
}

function imageName(reference: Reference): ImageName {
  return { reference, name: reference.repository, full: reference.name };
}
