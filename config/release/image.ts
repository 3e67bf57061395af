import { createHash } from 'node:crypto';
import { cpSync, createReadStream, mkdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { version } from '../../src/version.ts';
import type { Target } from './debian.ts';
import { debianBase, USER } from './debian-base.ts';
import type { Machine } from './node-runtime.ts';
import { run } from './run.ts';

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

interface Layer {
  readonly descriptor: Descriptor;
  readonly diffId: string;
}

export interface Image {
  readonly machine: Machine;
  /** The OCI layout that holds it. */
  readonly layout: string;
  readonly manifest: Descriptor;
}

const ARCHITECTURE: Readonly<Record<Machine, string>> = { x64: 'amd64', arm64: 'arm64' };
const NAME = `layerswarm:${version}`;

/**
 * `layerswarm-VERSION-image-x64.tar`: an OCI layout that "docker load" takes too. Its layers are a small Debian, the program, and
 * the folder that the node writes to.
 */
export async function writeImage(tree: string, { machine, work, output, date }: Target): Promise<Image> {
  const architecture = ARCHITECTURE[machine];
  const [base, program, state] = ['base', 'program', 'state'].map((name) => join(work, `image-${machine}`, name)) as [
    string,
    string,
    string,
  ];
  const layout = join(work, `layout-${machine}`);
  mkdirSync(join(layout, 'blobs/sha256'), { recursive: true });
  await debianBase(architecture, base, work);
  mkdirSync(join(program, 'usr/bin'), { recursive: true });
  cpSync(join(tree, 'lib'), join(program, 'usr/lib'), { recursive: true, verbatimSymlinks: true });
  symlinkSync('../lib/layerswarm/src/cli/layerswarm.sh', join(program, 'usr/bin/layerswarm'));
  mkdirSync(join(state, 'var/lib/layerswarm'), { recursive: true });
  const layers = [
    await addLayer(layout, { folder: base, name: '.', owner: 0, date }),
    await addLayer(layout, { folder: program, name: '.', owner: 0, modes: PLAIN_MODES, date }),
    await addLayer(layout, { folder: state, name: 'var/lib/layerswarm', owner: USER, modes: PLAIN_MODES, date }),
  ];

  const created = date.toISOString().replace(/\.\d+Z$/, 'Z');
  const config = addJson(layout, 'application/vnd.oci.image.config.v1+json', {
    created,
    architecture,
    os: 'linux',
    config: {
      User: `${USER}:${USER}`,
      Env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'LAYERSWARM_DATA=/var/lib/layerswarm'],
      Entrypoint: ['/usr/bin/layerswarm'],
      Cmd: ['agent'],
      WorkingDir: '/',
      Volumes: { '/var/lib/layerswarm': {} },
      ExposedPorts: { '4001/tcp': {}, '4002/tcp': {}, '5050/tcp': {}, '5051/tcp': {} },
      Healthcheck: {
        Test: ['CMD', '/usr/bin/layerswarm', 'status', '--json'],
        Interval: 30e9,
        Timeout: 10e9,
        StartPeriod: 30e9,
        Retries: 3,
      },
      Labels: {
        'org.opencontainers.image.title': 'layerswarm',
        'org.opencontainers.image.version': version,
        'org.opencontainers.image.licenses': 'Apache-2.0',
      },
    },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: ['a small Debian', 'the program', 'where the node keeps what it has'].map((created_by) => ({ created, created_by })),
  });
  const manifest = addJson(layout, 'application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config,
    layers: layers.map(({ descriptor }) => descriptor),
  });
  // the second is for docker load
  writeIndex(layout, [{ ...manifest, platform: { os: 'linux', architecture } }]);
  writeFileSync(
    join(layout, 'manifest.json'),
    JSON.stringify([{ Config: blobPath(config), RepoTags: [NAME], Layers: layers.map(({ descriptor }) => blobPath(descriptor)) }]),
  );
  await writeLayout(layout, join(output, `layerswarm-${version}-image-${machine}.tar`), date);
  rmSync(join(work, `image-${machine}`), { recursive: true });
  return { machine, layout, manifest };
}

/** `layerswarm-VERSION-image.tar`: the images of all machines under one name. */
export async function writeMultiArchImage(
  images: readonly Image[],
  { work, output, date }: Pick<Target, 'work' | 'output' | 'date'>,
): Promise<void> {
  const layout = join(work, 'layout');
  for (const { layout: source } of images) cpSync(join(source, 'blobs'), join(layout, 'blobs'), { recursive: true });
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  const index = addJson(layout, mediaType, {
    schemaVersion: 2,
    mediaType,
    manifests: images.map(({ machine, manifest }) => ({ ...manifest, platform: { os: 'linux', architecture: ARCHITECTURE[machine] } })),
  });
  writeIndex(layout, [index]);
  await writeLayout(layout, join(output, `layerswarm-${version}-image.tar`), date);
}

function writeIndex(layout: string, manifests: readonly (Descriptor & { readonly platform?: object })[]): void {
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(
    join(layout, 'index.json'),
    JSON.stringify({
      schemaVersion: 2,
      manifests: manifests.map((manifest) => ({
        ...manifest,
        annotations: { 'org.opencontainers.image.ref.name': version, 'io.containerd.image.name': `docker.io/library/${NAME}` },
      })),
    }),
  );
}

const TAR = 'tar --sort=name --format=gnu --numeric-owner';
/** Whatever the umask of who makes it; the modes of Debian's packages are their own. */
const PLAIN_MODES = '--mode=u=rwX,go=rX';

async function writeLayout(layout: string, file: string, date: Date): Promise<void> {
  await run('sh', ['-c', `${TAR} ${PLAIN_MODES} --owner=0 --group=0 --mtime=@${seconds(date)} -C "$0" -cf "$1" $(ls "$0")`, layout, file]);
}

interface LayerContent {
  readonly folder: string;
  /** What of it goes into the layer, under this name. */
  readonly name: string;
  readonly owner: number;
  readonly modes?: string;
  readonly date: Date;
}

async function addLayer(layout: string, { folder, name, owner, modes = '', date }: LayerContent): Promise<Layer> {
  const raw = join(layout, 'layer.tar');
  const packed = join(layout, 'layer.tar.gz');
  await run('sh', [
    '-c',
    `${TAR} ${modes} --owner=${owner} --group=${owner} --mtime=@${seconds(date)} -C "$1" -cf "$0" "$2" && gzip -n -6 <"$0" >"$0.gz"`,
    raw,
    folder,
    name,
  ]);
  const [diffId, digest] = [await digestOf(raw), await digestOf(packed)];
  const { size } = statSync(packed);
  renameSync(packed, join(layout, 'blobs', digest.replace(':', '/')));
  rmSync(raw);
  return { diffId, descriptor: { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest, size } };
}

function addJson(layout: string, mediaType: string, value: unknown): Descriptor {
  const bytes = Buffer.from(JSON.stringify(value));
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  writeFileSync(join(layout, 'blobs', digest.replace(':', '/')), bytes);
  return { mediaType, digest, size: bytes.length };
}

function blobPath({ digest }: Descriptor): string {
  return `blobs/${digest.replace(':', '/')}`;
}

function seconds(date: Date): string {
  return String(date.getTime() / 1000);
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return `sha256:${hash.digest('hex')}`;
}
