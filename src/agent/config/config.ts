import { availableParallelism, hostname } from 'node:os';
import { resolve } from 'node:path';
import type { z } from 'zod';
import { LayerswarmError } from '../../errors.ts';
import { registryNameOf } from '../../origin/registry-name.ts';
import { MAX_THREADS } from '../../swarm/lane/route.ts';
import { configSchema, type ConfigInput, type ParsedConfig } from './config-schema.ts';
import type { HostPort } from './setting-types.ts';
import { FILE_ONLY, settings } from './settings.ts';
import { get, readSources, type FlagValues, type RawConfig } from './config-sources.ts';
import { configFile, defaultData } from './data-directory.ts';

export type { ConfigInput } from './config-schema.ts';
export type { HostPort, StoreLimit } from './setting-types.ts';

/** What an agent runs with: the parsed settings, with everything filled in that depends on the host or on other settings. */
export interface AgentConfig extends Omit<ParsedConfig, 'push' | 'status' | 'bulk' | 'mirrors' | 'name' | 'limits'> {
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
  readonly limits: ParsedConfig['limits'] & { readonly bulkThreads: number };
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

/** Reads and checks the configuration of an agent. @throws `config-invalid` with key, expected and received; `detail.problems` has all that is wrong, one line each */
export async function loadConfig(options: ConfigOptions = {}): Promise<AgentConfig> {
  return (await readConfig(options)).config;
}

/** The same, beside what the sources say. @throws as `loadConfig` */
export async function readConfig(options: ConfigOptions): Promise<{ config: AgentConfig; raw: RawConfig }> {
  const env = options.env ?? process.env;
  const file = await configFile(options.file, env);
  const raw = await readSources({ flags: options.flags ?? {}, env, file });
  return { config: check(raw, options.uid ?? process.getuid?.() ?? 0, env), raw };
}

/** Settings as a file has them, given by a program: nothing else is read. @throws as `loadConfig` */
export function configOf(settings: ConfigInput): AgentConfig {
  return check({ values: settings, sources: new Map(), warnings: [] }, process.getuid?.() ?? 0, process.env);
}

function check(raw: RawConfig, uid: number, env: NodeJS.ProcessEnv): AgentConfig {
  const parsed = parse(raw);
  const config = fillIn(parsed, raw.warnings, uid, env);
  const [problem, ...others] = [...mirrorProblems(parsed), ...contradictions(config)];
  if (problem !== undefined) throw invalid([problem, ...others]);
  return config;
}

function parse(raw: RawConfig): ParsedConfig {
  const result = configSchema.safeParse(raw.values);
  if (result.success) return result.data;
  const [first, ...others] = result.error.issues.flatMap((issue) => problemsWith(issue, raw));
  throw invalid([first!, ...others]);
}

interface Problem {
  readonly key: string;
  readonly message: string;
}

function problemsWith(issue: z.core.$ZodIssue, raw: RawConfig): Problem[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((name) => {
      const key = [...issue.path, name].join('.');
      return { key, message: `${key}: expected the name of a setting (see "layerswarm config --example"), received an unknown key` };
    });
  }
  const { path } = issue;
  const setting = settings.find((candidate) => candidate.path.every((part, index) => part === path[index]));
  const key = setting?.path.join('.') ?? path.join('.');
  const source = raw.sources.get(key);
  const expected = FILE_ONLY.has(String(path[0]))
    ? issue.message.replace(/^(?!expected)/, 'expected another value: ')
    : `expected ${setting?.expected ?? 'a map of settings'}`;
  const received = withoutUserInfo(JSON.stringify(get(raw.values, path)) ?? 'nothing');
  return [{ key, message: `${key}${source === undefined ? '' : ` (${source})`}: ${expected}, received ${received.slice(0, 120)}` }];
}

function invalid(problems: readonly [Problem, ...Problem[]]): LayerswarmError {
  const [first, ...others] = problems;
  const more = others.length === 0 ? '' : ` (and ${others.length} more: see "layerswarm config")`;
  return new LayerswarmError('config-invalid', `${first.message}${more}`, {
    detail: { key: first.key, problems: problems.map(({ message }) => message) },
  });
}

/** All that is wrong with a configuration, from the error that refused it. */
export function problemsOf(error: unknown): readonly string[] {
  if (!(error instanceof LayerswarmError) || error.code !== 'config-invalid') return [];
  const problems = error.detail?.['problems'];
  return Array.isArray(problems) ? problems.filter((problem) => typeof problem === 'string') : [error.message];
}

/** A URL with a password in it is refused; the message must not repeat the password. */
function withoutUserInfo(text: string): string {
  return text.replace(/\/\/[^/@"]*@/g, '//***@');
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
    limits: {
      ...parsed.limits,
      bulkThreads: parsed.limits.bulkThreads ?? Math.min(MAX_THREADS, Math.max(1, Math.floor(availableParallelism() / 2))),
    },
    ...splitMirrors(parsed),
    push: onOrOff(parsed.push),
    status: onOrOff(parsed.status),
    warnings,
  };
}

function splitMirrors({ mirrors }: ParsedConfig): Pick<AgentConfig, 'mirrors' | 'upstreams'> {
  return {
    mirrors: mirrors.flatMap(({ name, url }) => (url === undefined ? [name] : [])),
    upstreams: mirrors.flatMap(({ name, url, username, passwordFile, ca }): UpstreamConfig[] =>
      url === undefined
        ? []
        : [{ name, url, ca, login: username === undefined || passwordFile === undefined ? undefined : { username, passwordFile } }],
    ),
  };
}

/** A registry that is named twice, or half a login. */
function mirrorProblems({ mirrors, origin }: ParsedConfig): Problem[] {
  const names = new Set<string>();
  return mirrors.flatMap(({ name, url, username, passwordFile }) => {
    const problems: Problem[] = [];
    const say = (message: string): void => {
      problems.push({ key: 'mirrors', message: `mirrors: ${message}` });
    };
    if (names.has(name)) say(`expected each registry once, received ${name} twice`);
    if (url !== undefined && origin.startsWith('http') && registryNameOf(origin) === name)
      say(`expected registries beside the origin, received ${name}, which is the origin`);
    if ((username === undefined) !== (passwordFile === undefined))
      say(`expected username and passwordFile together, received one of them for ${name}`);
    names.add(name);
    return problems;
  });
}

/** As a name can be: a host may be called anything. */
function hostName(): string {
  return (
    hostname()
      .replace(/[^A-Za-z0-9._-]+/g, '-')
      .slice(0, 100) || 'node'
  );
}

function onOrOff(value: 'off' | HostPort): HostPort | undefined {
  return value === 'off' ? undefined : value;
}

/** Combinations that would let strangers in, or that cannot work. */
function contradictions(config: AgentConfig): Problem[] {
  const problems: Problem[] = [];
  const say = (key: string, message: string): void => {
    problems.push({ key, message: `${key}: ${message}` });
  };
  if (config.swarmKey.length === 0 && !config.open) {
    const wide =
      config.listen.find((address) => !isLoopbackMultiaddr(address)) ??
      (config.bulk !== undefined && !isLoopbackHost(config.bulk.host) ? `${config.bulk.host}:${config.bulk.port}` : undefined);
    if (wide !== undefined) {
      say(
        'swarmKey',
        `expected a key file, since ${wide} can be reached from the network, received none: make one with "layerswarm key FILE" and give it with --swarm-key FILE, or say --open to let anybody in`,
      );
    }
  }
  if (config.originName !== undefined && config.origin !== 'embedded')
    say('originName', `expected it together with origin embedded, received it with origin ${config.origin}`);
  if (config.push !== undefined && config.origin === 'embedded')
    say('push', 'expected off, since an embedded origin takes pushes at the registry endpoint, received an address');
  if (config.originUsername !== undefined && !config.origin.startsWith('http')) {
    // A learned origin is what some member says it is: a login is not sent to whoever that may be.
    say('originUsername', `expected it together with the URL of an origin, received it with origin ${config.origin}`);
  }
  if ((config.originUsername === undefined) !== (config.originPasswordFile === undefined)) {
    const [missing, given] =
      config.originUsername === undefined ? ['originUsername', 'originPasswordFile'] : ['originPasswordFile', 'originUsername'];
    say(missing, `expected it together with ${given}, received nothing`);
  }
  return problems;
}

export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function isLoopbackMultiaddr(address: string): boolean {
  const [, protocol, host] = address.split('/');
  return (protocol === 'ip4' || protocol === 'ip6') && isLoopbackHost(host ?? '');
}
