import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { LayerswarmError } from '../errors.ts';
import type { Clock } from './clock.ts';
import { systemClock } from './clock.ts';
import { askCredentialHelper } from './credential-helper.ts';
import { type Credentials, type CredentialsProvider, WatchedFile } from './credentials.ts';
import { credentialKeys } from './registry-url.ts';

/** Milliseconds for which a helper's answer is used again, so that Basic authentication does not run a program a request. */
const HELPER_TTL = 5 * 60_000;

const entry = z.object({
  auth: z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  identitytoken: z.string().optional(),
  registrytoken: z.string().optional(),
});
const schema = z.object({
  auths: z.record(z.string(), entry).optional(),
  credsStore: z.string().optional(),
  credHelpers: z.record(z.string(), z.string()).optional(),
});
type DockerConfig = z.infer<typeof schema>;

export interface DockerConfigOptions {
  readonly registry: URL;
  /** Files in the order in which they are asked; `credentialFiles()` when absent. */
  readonly files?: readonly string[];
  readonly clock?: Clock;
}

/** docker's config.json, then podman's auth.json, where those programs look for them. */
export function credentialFiles(env: NodeJS.ProcessEnv = process.env, home = homedir()): string[] {
  const { DOCKER_CONFIG: dockerFolder, REGISTRY_AUTH_FILE: authFile, XDG_RUNTIME_DIR: runtimeDir, XDG_CONFIG_HOME: configHome } = env;
  return [
    ...(authFile === undefined || authFile === '' ? [] : [authFile]),
    join(dockerFolder === undefined || dockerFolder === '' ? join(home, '.docker') : dockerFolder, 'config.json'),
    ...(runtimeDir === undefined || runtimeDir === '' ? [] : [join(runtimeDir, 'containers', 'auth.json')]),
    join(configHome === undefined || configHome === '' ? join(home, '.config') : configHome, 'containers', 'auth.json'),
  ];
}

/** Logins out of docker's and podman's files: auths, identity tokens, credHelpers and credsStore. The first file that knows one counts. */
export function dockerConfigCredentials(options: DockerConfigOptions): CredentialsProvider {
  const { registry, clock = systemClock } = options;
  const files = (options.files ?? credentialFiles()).map((path) => new WatchedFile(path, (text) => parseConfig(text, path)));
  const answers = new Map<string, { readonly at: number; readonly credentials: Promise<Credentials> }>();

  function askHelper(name: string, server: string, fresh: boolean): Promise<Credentials> {
    const key = `${name} ${server}`;
    const known = answers.get(key);
    if (known !== undefined && !fresh && clock.now() - known.at < HELPER_TTL) return known.credentials;
    const credentials = askCredentialHelper(name, server);
    answers.set(key, { at: clock.now(), credentials });
    credentials.catch(() => answers.delete(key));
    return credentials;
  }

  return {
    source: files.map(({ path }) => path).join(', '),
    async get({ repository, fresh = false }) {
      const keys = credentialKeys(registry);
      for (const file of files) {
        const config = await file.read();
        if (config === undefined) continue;
        const credentials = await lookUp(config, namespaces(keys, repository), keys, (name, server) => askHelper(name, server, fresh));
        if (credentials.kind !== 'anonymous') return credentials;
      }
      return { kind: 'anonymous' };
    },
  };
}

/** containers-auth.json(5): "host/team/app", "host/team" and "host", the longest that is there. */
function namespaces(keys: readonly string[], repository: string | undefined): string[] {
  const parts = repository?.split('/') ?? [];
  const paths = parts.map((_, index) => parts.slice(0, parts.length - index).join('/'));
  return [...paths.flatMap((path) => keys.map((key) => `${key.replace(/\/$/, '')}/${path}`)), ...keys];
}

async function lookUp(
  config: DockerConfig,
  names: readonly string[],
  hosts: readonly string[],
  askHelper: (name: string, server: string) => Promise<Credentials>,
): Promise<Credentials> {
  for (const host of hosts) {
    const helper = config.credHelpers?.[host];
    if (helper !== undefined) return askHelper(helper, host);
  }
  const wanted = new Map(names.map((name, rank) => [normalizeKey(name), rank]));
  const [best] = Object.entries(config.auths ?? {})
    .map(([key, value]) => ({ rank: wanted.get(normalizeKey(key)), credentials: fromEntry(value) }))
    .filter(
      (found): found is { rank: number; credentials: Credentials } => found.rank !== undefined && found.credentials.kind !== 'anonymous',
    )
    .sort((a, b) => a.rank - b.rank);
  if (best !== undefined) return best.credentials;
  return config.credsStore === undefined || config.credsStore === '' ? { kind: 'anonymous' } : askHelper(config.credsStore, hosts[0]!);
}

/** Old clients wrote URLs as keys: "https://host/v1/". */
function normalizeKey(key: string): string {
  return key
    .replace(/^https?:\/\//, '')
    .replace(/\/(?:v[12]\/?)?$/, '')
    .toLowerCase();
}

function fromEntry(value: z.infer<typeof entry>): Credentials {
  const decoded = Buffer.from(value.auth ?? '', 'base64')
    .toString('utf8')
    .replace(/\0+$/, '');
  const colon = decoded.indexOf(':');
  const username = colon === -1 ? (value.username ?? '') : decoded.slice(0, colon);
  const password = colon === -1 ? (value.password ?? '') : decoded.slice(colon + 1);
  if (value.identitytoken !== undefined && value.identitytoken !== '')
    return { kind: 'refresh-token', username, token: value.identitytoken };
  if (value.registrytoken !== undefined && value.registrytoken !== '') return { kind: 'bearer', token: value.registrytoken };
  return username === '' ? { kind: 'anonymous' } : { kind: 'basic', username, password };
}

function parseConfig(text: string, path: string): DockerConfig {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    // the parser's message would quote the file, and so a password
    throw new LayerswarmError('config-invalid', `${path} is not JSON`);
  }
  const parsed = schema.safeParse(document);
  if (parsed.success) return parsed.data;
  throw new LayerswarmError('config-invalid', `${path}: ${parsed.error.issues[0]?.path.join('.') ?? ''} is not as docker writes it`);
}
