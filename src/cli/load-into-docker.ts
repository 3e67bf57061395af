import { readAgentFile } from '../control/agent-file.ts';
import { DockerEngine } from '../docker/engine.ts';
import { imageArchive } from '../docker/image-archive.ts';
import { LayerswarmError } from '../errors.ts';
import { Digest } from '../oci/digest.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { MAX_MANIFEST_BYTES, rawManifest, type ImageManifest, type RawManifest } from '../oci/manifest.ts';
import { choosePlatform, formatPlatform, hostPlatform, parsePlatform } from '../oci/platform.ts';
import { Reference } from '../oci/reference.ts';

const ANSWER_TIMEOUT_MS = 30_000;

export interface LoadedImage {
  /** What the engine calls it; its id for an image without a tag. */
  readonly name: string;
  /** The config's digest with a graph driver, the manifest's with the containerd image store. */
  readonly id: string;
}

/**
 * Loads an image that the node has into the Docker Engine of DOCKER_HOST, under the name that it was pulled by. It goes through the
 * node's registry endpoint, as for any client, so that whoever may use the engine needs no rights on the store; layers stream
 * through and are nowhere copied in between.
 * @param pulled.reference full, as the receipt has it
 * @throws `not-found` for a platform that is not there, `unavailable`, `verification-failed` when the engine has another image then
 */
export async function loadIntoDocker(
  data: string,
  pulled: { readonly reference: string; readonly digest: string },
  platform: string | undefined,
  signal: AbortSignal,
): Promise<LoadedImage> {
  const endpoint = new Endpoint((await readAgentFile(data)).registry, Reference.parse(pulled.reference), signal);
  const wanted = platform === undefined ? hostPlatform() : parsePlatform(platform);
  let found = await endpoint.manifest(Digest.parse(pulled.digest));
  if (found.manifest.kind === 'index') {
    const child = choosePlatform(found.manifest, wanted);
    if (child === undefined)
      throw new LayerswarmError('not-found', `${pulled.reference} is not there for ${formatPlatform(wanted)}: choose another --platform`);
    found = await endpoint.manifest(child.digest);
  }
  const { raw, manifest } = found;
  if (manifest.kind !== 'image')
    throw new LayerswarmError(
      'unsupported',
      `${pulled.reference} is an index within an index, which no Docker Engine loads: pull one of its images by digest`,
    );
  const { registry, repository, tag } = Reference.parse(pulled.reference);
  const name = tag === undefined ? undefined : Reference.of({ registry, repository, tag }).toString();
  return await load({ name, raw, manifest, read: (blob) => endpoint.blob(blob) }, signal);
}

async function load(
  image: { name: string | undefined; raw: RawManifest; manifest: ImageManifest; read: (blob: Descriptor) => AsyncIterable<Uint8Array> },
  signal: AbortSignal,
): Promise<LoadedImage> {
  const engine = DockerEngine.at(process.env['DOCKER_HOST']);
  await engine.load(imageArchive(image), signal);
  const { id } = await engine.inspect(image.name ?? image.manifest.config.digest.toString(), signal);
  if (id !== image.manifest.config.digest.toString() && id !== image.raw.digest.toString()) {
    throw new LayerswarmError(
      'verification-failed',
      `the Docker Engine has ${id} under the name ${image.name ?? ''} now, which is not the image that was loaded: another one was put there meanwhile`,
    );
  }
  return { name: image.name ?? id, id };
}

/** The node's registry endpoint, for one repository. */
class Endpoint {
  readonly #url: string;
  readonly #reference: Reference;
  readonly #signal: AbortSignal;

  constructor(url: string, reference: Reference, signal: AbortSignal) {
    this.#url = url;
    this.#reference = reference;
    this.#signal = signal;
  }

  async manifest(digest: Digest): Promise<ReturnType<typeof rawManifest>> {
    const response = await this.#get(`manifests/${digest.toString()}`, AbortSignal.timeout(ANSWER_TIMEOUT_MS));
    const length = Number(response.headers.get('content-length'));
    if (length > MAX_MANIFEST_BYTES) throw new LayerswarmError('too-large', `the manifest ${digest.toString()} has ${length} bytes`);
    return rawManifest(Buffer.from(await response.arrayBuffer()), { expected: digest });
  }

  async *blob({ digest }: Descriptor): AsyncGenerator<Uint8Array> {
    const { body } = await this.#get(`blobs/${digest.toString()}`, undefined);
    if (body !== null) yield* body;
  }

  async #get(path: string, timeout: AbortSignal | undefined): Promise<Response> {
    const { registry, repository } = this.#reference;
    const url = new URL(`/v2/${repository}/${path}?ns=${encodeURIComponent(registry)}`, this.#url);
    try {
      const response = await fetch(url, { signal: timeout === undefined ? this.#signal : AbortSignal.any([this.#signal, timeout]) });
      if (response.ok) return response;
      await response.body?.cancel();
      throw new LayerswarmError(
        response.status === 404 ? 'not-found' : 'unavailable',
        `the node answers ${response.status} for ${repository}/${path}: see its log`,
      );
    } catch (error) {
      if (error instanceof LayerswarmError) throw error;
      this.#signal.throwIfAborted();
      throw new LayerswarmError('agent-unreachable', `the registry endpoint of the node at ${this.#url} does not answer: see its log`, {
        cause: error,
      });
    }
  }
}
