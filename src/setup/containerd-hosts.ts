import type { TomlTable } from 'smol-toml';
import { LayerswarmError } from '../errors.ts';
import { endOfLine } from './runtime.ts';
import { firstThatMeans, getToml, isTable, parseToml, quoted, withToml } from './toml-edit.ts';

export interface HostEntry {
  /** `http://127.0.0.1:5050` */
  readonly endpoint: string;
  /** The registry itself; undefined for `_default`, where containerd fills it in. */
  readonly server: string | undefined;
  /** Names in the folder while it has no hosts.toml: containerd reads certificates from it then, and no more once there is one. */
  readonly certificates: readonly string[];
}

const CAPABILITIES = ['pull', 'resolve'];
const HEADING = '# The node of layerswarm on this host; "layerswarm setup containerd --undo" takes it away.';

/** A hosts.toml in which the agent is asked before all others. @throws `config-invalid`, `unsupported` */
export function addHost(before: string | undefined, path: string, { endpoint, server, certificates }: HostEntry): string {
  const text = before ?? newFile(server, certificates);
  const table = parseToml(text, path);
  if (isTable(getToml(table, ['host', endpoint]))) return text; // whatever else somebody said about it there is meant
  const wanted = withToml(table, ['host', endpoint], { capabilities: [...CAPABILITIES] });
  const edited = firstThatMeans(candidates(text, endpoint), wanted);
  if (edited === undefined || firstHost(parseToml(edited, path)) !== endpoint) {
    throw new LayerswarmError(
      'unsupported',
      `${path}: cannot add a host without rewriting the file: add [host.${quoted(endpoint)}] with capabilities = ["pull", "resolve"] before the other hosts by hand`,
    );
  }
  return edited;
}

/** containerd tries hosts in the order in which they stand in the file. */
function* candidates(text: string, endpoint: string): Generator<string> {
  const eol = endOfLine(text);
  const lines = text.split(/(?<=\n)/);
  const entry = [HEADING, `[host.${quoted(endpoint)}]`, `  capabilities = [${CAPABILITIES.map(quoted).join(', ')}]`, ''].join(eol);
  for (const [index, line] of lines.entries()) {
    if (/^\s*\[{1,2}[^[\]]+\]{1,2}\s*(?:#.*)?$/.test(line.trimEnd()))
      yield [...lines.slice(0, index), entry, eol, ...lines.slice(index)].join('');
  }
  const gap = text === '' ? '' : text.endsWith('\n') ? eol : `${eol}${eol}`;
  yield `${text}${gap}${entry}`;
}

function firstHost(table: TomlTable): string | undefined {
  const hosts = table['host'];
  return isTable(hosts) ? Object.keys(hosts)[0] : undefined;
}

/** What containerd did without a hosts.toml, said in one. */
function newFile(server: string | undefined, certificates: readonly string[]): string {
  const list = (ending: string): string[] => certificates.filter((name) => name.endsWith(ending));
  const pairs = list('.cert')
    .map((cert) => [cert, cert.replace(/cert$/, 'key')])
    .filter(([, key]) => certificates.includes(key!));
  return [
    ...(server === undefined ? [] : [`server = ${quoted(server)}`]),
    ...(list('.crt').length === 0 ? [] : [`ca = ${array(list('.crt'))}`]),
    ...(pairs.length === 0 ? [] : [`client = [${pairs.map(array).join(', ')}]`]),
    '',
  ]
    .join('\n')
    .replace(/^\n$/, '');
}

function array(values: readonly string[]): string {
  return `[${values.map(quoted).join(', ')}]`;
}
