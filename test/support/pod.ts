import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseAllDocuments } from 'yaml';

const FOLDER = resolve(import.meta.dirname, '../../config/kubernetes');

export interface SecurityContext {
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  readonly readOnlyRootFilesystem?: boolean;
  readonly allowPrivilegeEscalation?: boolean;
  readonly capabilities?: { readonly drop: readonly string[]; readonly add?: readonly string[] };
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly securityContext: SecurityContext;
  readonly resources: { readonly limits: { readonly memory: string } };
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
}

export interface PodSpec {
  readonly automountServiceAccountToken?: boolean;
  readonly securityContext: SecurityContext;
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes: readonly { readonly name: string; readonly emptyDir?: object }[];
}

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly rules?: readonly object[];
  readonly spec?: {
    readonly template?: { readonly metadata: { readonly labels: Readonly<Record<string, string>> }; readonly spec: PodSpec };
    readonly selector?: Readonly<Record<string, string>>;
  };
}

/** What is in a file of `config/kubernetes`. */
export function manifests(name: string): Manifest[] {
  return parseAllDocuments(readFileSync(join(FOLDER, name), 'utf8'))
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null);
}

export function podOf(name: string): PodSpec {
  return manifests(name).find(({ kind }) => kind === 'DaemonSet')!.spec!.template!.spec;
}

/** `docker run`'s words for a container as the kubelet starts it, on the host's network. `folders`: what each volume is here. */
export function dockerRun(
  container: Container,
  pod: PodSpec,
  folders: Readonly<Record<string, string>>,
  more: readonly string[] = [],
): string[] {
  const {
    runAsUser,
    runAsGroup,
    readOnlyRootFilesystem,
    allowPrivilegeEscalation,
    capabilities = { drop: [] },
  } = { ...pod.securityContext, ...container.securityContext };
  const mounts = (container.volumeMounts ?? []).flatMap(({ name, mountPath, readOnly }) =>
    pod.volumes.find((volume) => volume.name === name)?.emptyDir === undefined
      ? ['--volume', `${folders[name]!}:${mountPath}${readOnly === true ? ':ro' : ''}`]
      : ['--tmpfs', mountPath],
  );
  const [entrypoint, ...words] = container.command ?? [];
  return [
    'run',
    '--network',
    'host',
    '--user',
    `${runAsUser}:${runAsGroup}`,
    '--memory',
    container.resources.limits.memory.replace('i', '').toLowerCase(),
    ...(readOnlyRootFilesystem === true ? ['--read-only'] : []),
    ...(allowPrivilegeEscalation === false ? ['--security-opt', 'no-new-privileges'] : []),
    ...capabilities.drop.flatMap((name) => ['--cap-drop', name]),
    ...(capabilities.add ?? []).flatMap((name) => ['--cap-add', name]),
    ...mounts,
    ...more,
    ...(entrypoint === undefined ? [] : ['--entrypoint', entrypoint]),
    container.image,
    ...words,
    ...(container.args ?? []),
  ];
}
