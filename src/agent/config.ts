import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { LayerswarmError } from '../errors.ts';
import { registryNameOf } from '../origin/registry-name.ts';
import { configSchema, FILE_ONLY, settings, type HostPort, type ParsedConfig } from './config-schema.ts';
import { get, readSources, type FlagValues, type RawConfig } from './config-sources.ts';
import { configFile, defaultData } from './data-directory.ts';

export type { HostPort, StoreLimit } from './config-schema.ts';

/** What an agent runs with: the parsed settings, with everything filled in that depends on the host or on other settings. */
export interface AgentConfig extends Omit<ParsedConfig, 'push' | 'status' | 'bulk' | 'mirrors' | 'name'> {
  /** Registries that the origin answers for. */
  readonly mirrors: readonly string[];
  /** Registries that are read from an upstream of their own. */
  readonly upstreams: readonly UpstreamConfig[];
  readonly data: string;
  readonly name: string;
  readonly listen: string[];
  readonly push: HostPort | undefined;
  readonly status: HostPort | undefined;
  readonly bulk: HostPort | undefined;
  /** What is odd in the sources, though not wrong. */
  readonly warnings: readonly string[];
}

/** A mirrored registry that is not the origin. */
export interface UpstreamConfig {
  /** As in references, lower case. */
  readonly name: string;
  /** `http(s)://host:port` */
  readonly url: string;
  readonly login: { readonly username: string; readonly passwordFile: string } | undefined;
  readonly ca: string | undefined;
}

export interface ConfigOptions {
  readonly flags?: FlagValues;
  readonly env?: NodeJS.ProcessEnv;
  /** `--config`; `LAYERSWARM_CONFIG` and the system's file are used without it. */
  readonly file?: string | undefined;
  readonly uid?: number;
}

/** Reads and checks the configuration of an agent. @throws `config-invalid` with key, expected and received */
export async function loadConfig(options: ConfigOptions = {}): Promise<AgentConfig> {
  const env = options.env ?? process.env;
  const file = await configFile(options.file, env);
  const raw = await readSources({ flags: options.flags ?? {}, env, file });
  const config = fillIn(parse(raw), raw.warnings, options.uid ?? process.getuid?.() ?? 0, env);
  refuseOpenDoors(config);
  return config;
}

function parse(raw: RawConfig): ParsedConfig {
  const result = configSchema.safeParse(raw.values);
  if (result.success) return result.data;
  const [issue, ...others] = result.error.issues;
  if (issue === undefined) throw invalid('configuration: expected settings, received something else', '');
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
  if (issue.code === 'unrecognized_keys') {
    const key = [...issue.path, issue.keys[0]].join('.');
    throw invalid(`${key}: expected the name of a setting (see "layerswarm config --example"), received an unknown key${more}`, key);
  }
  const path = issue.path;
  const setting = settings.find((candidate) => candidate.path.every((part, index) => part === path[index]));
  const key = setting?.path.join('.') ?? path.join('.');
  const source = raw.sources.get(key);
  const expected = FILE_ONLY.has(String(path[0])) ? issue.message.replace(/^(?!expected)/, 'expected another value: ') : `expected ${setting?.expected ?? 'a map of settings'}`;
  const received = withoutUserInfo(JSON.stringify(get(raw.values, path)) ?? 'nothing');
  throw invalid(`${key}${source === undefined ? '' : ` (${source})`}: ${expected}, received ${received.slice(0, 120)}${more}`, key);
}

/** A URL with a password in it is refused; the message must not repeat the password. */
function withoutUserInfo(text: string): string {
  return text.replace(/\/\/[^/@"]*@/g, '//***@');
}

function invalid(message: string, key: string): LayerswarmError {
  return new LayerswarmError('config-invalid', message, { detail: { key } });
}

function fillIn(parsed: ParsedConfig, warnings: readonly string[], uid: number, env: NodeJS.ProcessEnv): AgentConfig {
  const reachable = parsed.swarmKey.length > 0 || parsed.open;
  const host = reachable ? '0.0.0.0' : '127.0.0.1';
  return {
    ...parsed,
    name: parsed.name ?? hostName(),
    data: resolve(parsed.data ?? defaultData(uid, env)),
    listen: parsed.listen ?? [`/ip4/${host}/tcp/4001`],
    bulk: onOrOff(parsed.bulk ?? { host, port: 4002 }),
    ...splitMirrors(parsed),
    push: onOrOff(parsed.push),
    status: onOrOff(parsed.status),
    warnings,
  };
}

/** @throws `config-invalid` for a registry that is named twice, or half a login */
function splitMirrors({ mirrors, origin }: ParsedConfig): Pick<AgentConfig, 'mirrors' | 'upstreams'> {
  const names = new Set<string>();
  for (const { name, url, username, passwordFile } of mirrors) {
    if (names.has(name)) throw invalid(`mirrors: expected each registry once, received ${name} twice`, 'mirrors');
    if (url !== undefined && origin.startsWith('http') && registryNameOf(origin) === name) throw invalid(`mirrors: expected registries beside the origin, received ${name}, which is the origin`, 'mirrors');
    if ((username === undefined) !== (passwordFile === undefined)) throw invalid(`mirrors: expected username and passwordFile together, received one of them for ${name}`, 'mirrors');
    names.add(name);
  }
  return {
    mirrors: mirrors.flatMap(({ name, url }) => (url === undefined ? [name] : [])),
    upstreams: mirrors.flatMap(({ name, url, username, passwordFile, ca }): UpstreamConfig[] => (url === undefined ? [] : [{
      name, url, ca, login: username === undefined || passwordFile === undefined ? undefined : { username, passwordFile },
    }])),
  };
}

/** As a name can be: a host may be called anything. */
function hostName(): string {
  return hostname().replace(/[^A-Za-z0-9._-]+/g, '-').slice(0, 100) || 'node';
}

function onOrOff(value: 'off' | HostPort): HostPort | undefined {
  return value === 'off' ? undefined : value;
}

/** Refuses combinations that would let strangers in, or that cannot work. */
function refuseOpenDoors(config: AgentConfig): void {
  if (config.swarmKey.length === 0 && !config.open) {
    const wide = config.listen.find((address) => !isLoopbackMultiaddr(address))
      ?? (config.bulk !== undefined && !isLoopbackHost(config.bulk.host) ? `${config.bulk.host}:${config.bulk.port}` : undefined);
    if (wide !== undefined) {
      throw invalid(`swarmKey: expected a key file, since ${wide} can be reached from the network, received none: make one with "layerswarm key FILE" and give it with --swarm-key FILE, or say --open to let anybody in`, 'swarmKey');
    }
  }
  if (config.push !== undefined && config.origin === 'embedded') {
    throw invalid('push: expected off, since an embedded origin takes pushes at the registry endpoint, received an address', 'push');
  }
  if (config.originUsername !== undefined && !config.origin.startsWith('http')) {
    // A learned origin is what some member says it is: a login is not sent to whoever that may be.
    throw invalid(`originUsername: expected it together with the URL of an origin, received it with origin ${config.origin}`, 'originUsername');
  }
  if ((config.originUsername === undefined) !== (config.originPasswordFile === undefined)) {
    const missing = config.originUsername === undefined ? 'originUsername' : 'originPasswordFile';
    throw invalid(`${missing}: expected it together with ${missing === 'originUsername' ? 'originPasswordFile' : 'originUsername'}, received nothing`, missing);
  }
}

export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function isLoopbackMultiaddr(address: string): boolean {
  const [, protocol, host] = address.split('/');
  return (protocol === 'ip4' || protocol === 'ip6') && isLoopbackHost(host ?? '');
}
