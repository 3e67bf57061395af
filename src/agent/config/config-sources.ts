import { readFile } from 'node:fs/promises';
import { parseDocument } from 'yaml';
import { LayerswarmError } from '../../errors.ts';
import { settings, type Setting } from './settings.ts';

/** A configuration document beyond this is not one. */
const MAX_FILE_BYTES = 1 << 20;

/** A tree of raw values, and where each leaf came from (by its dotted key), for messages. */
export interface RawConfig {
  readonly values: Record<string, unknown>;
  readonly sources: ReadonlyMap<string, string>;
  readonly warnings: readonly string[];
}

/** Values of flags by the flag's name in camel case, as commander gives them. */
export type FlagValues = Readonly<Record<string, unknown>>;

/**
 * Flags over `LAYERSWARM_*` over the YAML file over nothing (defaults are the schema's). A list that is given replaces the one
 * below it. @throws `config-invalid` for a file that cannot be read or parsed
 */
export async function readSources(options: { flags: FlagValues; env: NodeJS.ProcessEnv; file: string | undefined }): Promise<RawConfig> {
  const sources = new Map<string, string>();
  const values = options.file === undefined ? {} : await readYaml(options.file);
  for (const setting of settings) {
    const key = setting.path.join('.');
    if (options.file !== undefined && get(values, setting.path) !== undefined) sources.set(key, options.file);
    const variable = options.env[setting.env];
    if (variable !== undefined && variable !== '') {
      set(values, setting.path, fromText(setting, variable));
      sources.set(key, setting.env);
    }
    const flag = options.flags[flagKey(setting.flag)];
    if (flag !== undefined) {
      set(values, setting.path, typeof flag === 'string' ? fromText(setting, flag) : flag);
      sources.set(key, `--${flag === false ? 'no-' : ''}${setting.flag}`);
    }
  }
  return { values, sources, warnings: warningsAbout(options.env) };
}

/** @throws `config-invalid` */
export async function readYaml(file: string): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw unreadable(file, error);
  }
  if (text.length > MAX_FILE_BYTES)
    throw new LayerswarmError('config-invalid', `${file}: expected at most ${MAX_FILE_BYTES} characters, received ${text.length}`);
  const document = parseDocument(text, { prettyErrors: true, logLevel: 'error' });
  const noYaml = (cause: Error): LayerswarmError =>
    new LayerswarmError('config-invalid', `${file}: expected YAML, received: ${cause.message.split('\n')[0]?.replace(/:$/, '')}`, {
      cause,
    });
  const [problem] = document.errors;
  if (problem !== undefined) throw noYaml(problem);
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw noYaml(error as Error);
  }
  if (value === null || value === undefined) return {};
  if (!isRecord(value))
    throw new LayerswarmError('config-invalid', `${file}: expected a map of settings, received ${JSON.stringify(value)?.slice(0, 60)}`);
  return dropNulls(value);
}

/** `key:` with nothing behind it is a setting that is left at its default. */
function dropNulls(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, child]) => (child === null ? [] : [[key, isRecord(child) ? dropNulls(child) : child]])),
  );
}

function fromText(setting: Setting, text: string): unknown {
  if (setting.kind === 'list') return text.split(/[\s,]+/).filter((part) => part !== '');
  if (setting.kind === 'number') return text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text);
  if (setting.kind !== 'boolean') return text;
  if (/^(true|1|yes|on)$/i.test(text)) return true;
  return /^(false|0|no|off)$/i.test(text) ? false : text;
}

/**
 * A misspelt variable would be silently without effect. It is no error, since Kubernetes gives every pod variables that begin
 * with the names of services.
 */
function warningsAbout(env: NodeJS.ProcessEnv): string[] {
  const known = new Set(['LAYERSWARM_CONFIG', ...settings.map((setting) => setting.env)]);
  return Object.keys(env)
    .filter((name) => name.startsWith('LAYERSWARM_') && !known.has(name) && !/^LAYERSWARM_(SERVICE|PORT)(_|$)/.test(name))
    .map((name) => `${name} is not the name of a setting and has no effect`);
}

/** `store-max-bytes` → `storeMaxBytes`, as commander does. */
function flagKey(flag: string): string {
  return flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

export function get(tree: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined),
    tree,
  );
}

export function set(tree: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [key, ...rest] = path;
  if (rest.length === 0) {
    tree[key!] = value;
    return;
  }
  const child = tree[key!];
  const section: Record<string, unknown> = isRecord(child) ? child : {};
  tree[key!] = section;
  set(section, rest, value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unreadable(file: string, cause: unknown): LayerswarmError {
  const reason = cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : String(cause);
  return new LayerswarmError('config-invalid', `${file}: expected a readable configuration file, received ${reason}`, { cause });
}
