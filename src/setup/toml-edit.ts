import { isDeepStrictEqual } from 'node:util';
import { parse, TomlError, type TomlTable, type TomlValue } from 'smol-toml';
import { LayerswarmError } from '../errors.ts';
import { endOfLine } from './runtime.ts';

/** @throws `config-invalid` with the line */
export function parseToml(text: string, path: string): TomlTable {
  try {
    return parse(text);
  } catch (error) {
    const where = error instanceof TomlError ? ` (line ${error.line})` : '';
    throw new LayerswarmError(
      'config-invalid',
      `${path}${where}: expected TOML, received something else: mend it first, then run setup again`,
      { cause: error },
    );
  }
}

export function isTable(value: TomlValue | undefined): value is TomlTable {
  return typeof value === 'object' && !Array.isArray(value) && !(value instanceof Date);
}

export function getToml(table: TomlTable, keys: readonly string[]): TomlValue | undefined {
  return keys.reduce<TomlValue | undefined>((value, key) => (isTable(value) && Object.hasOwn(value, key) ? value[key] : undefined), table);
}

/** A copy with one value set. */
export function withToml(table: TomlTable, keys: readonly string[], value: TomlValue): TomlTable {
  const [key, ...rest] = keys;
  if (key === undefined) return table;
  const child = Object.hasOwn(table, key) ? table[key] : undefined;
  return { ...table, [key]: rest.length === 0 ? value : withToml(isTable(child) ? child : {}, rest, value) };
}

/**
 * The first of the candidates that means exactly what is wanted. TOML can say one thing in many ways, and an edit of the text is
 * right when a parser reads the result so: nothing else in the file may come to mean something else.
 */
export function firstThatMeans(candidates: Iterable<string>, wanted: TomlTable): string | undefined {
  for (const text of candidates) {
    try {
      if (isDeepStrictEqual(plain(parse(text)), plain(wanted))) return text;
    } catch (error) {
      if (!(error instanceof TomlError)) throw error; // an edit that does not fit this file; the next may
    }
  }
  return undefined;
}

export type SimpleValue = string | boolean | readonly string[];

/**
 * Sets a string that is not there or empty, a truth value that is not there, or a list, which may be there with the last of the new
 * ones in it; every other byte stays as it is. @throws `unsupported` where the file's form leaves no place
 */
export function setToml(text: string, path: string, keys: readonly string[], value: SimpleValue): string {
  const table = keys.slice(0, -1);
  const key = keys.at(-1)!;
  const edited = firstThatMeans(
    places(text, table, key, value),
    withToml(parseToml(text, path), keys, typeof value === 'object' ? [...value] : value),
  );
  if (edited === undefined)
    throw new LayerswarmError(
      'unsupported',
      `${path}: cannot add ${key} without rewriting the file: set ${keys.map(tomlKey).join('.')} = ${literal(value)} by hand, then run setup again`,
    );
  return edited;
}

function* places(text: string, table: readonly string[], key: string, value: SimpleValue): Generator<string> {
  const eol = endOfLine(text);
  const lines = text.split(/(?<=\n)/);
  // an empty value that is there, or a list that begins otherwise
  for (const [index, line] of lines.entries()) {
    const empty = new RegExp(`^(\\s*${key}\\s*=\\s*)(?:""|'')`).exec(line);
    if (empty !== null) yield lines.with(index, `${empty[1]}${literal(value)}${line.slice(empty[0].length)}`).join('');
    const list = new RegExp(`^\\s*${key}\\s*=\\s*\\[`).exec(line)?.[0];
    if (list === undefined || typeof value !== 'object') continue;
    for (const comma of [', ', '']) yield lines.with(index, `${list}${quoted(value[0]!)}${comma}${line.slice(list.length)}`).join('');
  }
  // a table that is there
  for (const [index, line] of lines.entries()) {
    const header = /^(\s*)\[[^[\]]+\]\s*(?:#.*)?\r?$/.exec(line.replace(/\n$/, ''));
    if (header === null) continue;
    const ended = line.endsWith('\n') ? line : `${line}${eol}`;
    yield [...lines.slice(0, index), ended, `${header[1]}  ${key} = ${literal(value)}${eol}`, ...lines.slice(index + 1)].join('');
  }
  const gap = text === '' ? '' : text.endsWith('\n') ? eol : `${eol}${eol}`;
  yield `${text}${gap}[${table.map(tomlKey).join('.')}]${eol}  ${key} = ${literal(value)}${eol}`;
}

function literal(value: SimpleValue): string {
  if (typeof value === 'object') return `[${value.map(quoted).join(', ')}]`;
  return typeof value === 'boolean' ? String(value) : quoted(value);
}

/** Basic strings of TOML are strings of JSON, for what occurs in paths and addresses. */
export function quoted(value: string): string {
  return JSON.stringify(value);
}

function tomlKey(key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : quoted(key);
}

/** Without prototypes and classes, which parsers may give their tables, and which do not matter. */
function plain(value: TomlValue): unknown {
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(plain);
  if (!isTable(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, child]) => [key, plain(child)]),
  );
}
