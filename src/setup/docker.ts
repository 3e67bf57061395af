import { posix } from 'node:path';
import { applyEdits, findNodeAtLocation, modify, parse, type ParseError, parseTree, printParseErrorCode } from 'jsonc-parser';
import { LayerswarmError } from '../errors.ts';
import { endOfLine, type HostFiles, type Runtime } from './runtime.ts';

const KEY = 'registry-mirrors';
const HUB = 'docker.io';
const PID_FILE = '/run/docker.pid';

/** The Docker Engine. Its mirrors are for Docker Hub only: moby/registry, service_v2.go. */
export const docker: Runtime = {
  name: 'docker',
  reload: { kind: 'signal', process: 'dockerd', pidFile: PID_FILE, command: 'systemctl reload docker' },
  async plan(files, { endpoint, registries }, configFolder) {
    const hub = registries.find(({ name }) => name === HUB);
    const others = registries.filter((registry) => registry !== hub);
    if (hub === undefined) {
      throw new LayerswarmError(
        'unsupported',
        `dockerd asks mirrors for images of ${HUB} only, and this agent does not serve ${HUB}: pull others as ${endpoint.host}/NAME, or add ${HUB} to mirrors of the agent`,
      );
    }
    if (hub.path !== undefined) {
      throw new LayerswarmError(
        'unsupported',
        `dockerd does not tell a mirror which registry it means, and at ${endpoint.host} a name without a registry is the origin's: pull images of ${HUB} as ${endpoint.host}/${hub.path}/library/NAME, or make ${HUB} the origin`,
      );
    }
    await refuseFlags(files);
    const path = posix.join(configFolder, 'docker', 'daemon.json');
    return {
      files: [{ path, content: addMirror(await files.read(path), path, endpoint.origin) }],
      registries: [HUB],
      notes:
        others.length === 0
          ? []
          : [
              `dockerd asks mirrors for images of ${HUB} only: pull those of ${others.map(({ name }) => name).join(', ')} as ${others.map((other) => [endpoint.host, other.path, 'NAME'].filter((part) => part !== undefined).join('/')).join(', ')}`,
            ],
    };
  },
};

/** dockerd neither reloads nor starts again where a setting is both a flag of its command line and in daemon.json. */
async function refuseFlags(files: HostFiles): Promise<void> {
  const pid = (await files.read(PID_FILE))?.trim() ?? '';
  const [program = '', ...flags] = /^\d+$/.test(pid) ? ((await files.read(`/proc/${pid}/cmdline`))?.split('\0') ?? []) : [];
  if (posix.basename(program) !== 'dockerd' || !flags.some((flag) => /^--registry-mirror(?:=|$)/.test(flag))) return;
  throw new LayerswarmError(
    'unsupported',
    'dockerd runs with --registry-mirror on its command line, and would not start with mirrors in daemon.json as well: move that flag (of its service, see "systemctl cat docker") into daemon.json first',
  );
}

/** A daemon.json that asks the agent before other mirrors; every other byte stays. @throws `config-invalid` */
export function addMirror(before: string | undefined, path: string, mirror: string): string {
  const text = before === undefined || before.trim() === '' ? '{}\n' : before;
  const errors: ParseError[] = [];
  const value: unknown = parse(text, errors, { disallowComments: true, allowTrailingComma: false });
  const [problem] = errors;
  if (problem !== undefined || typeof value !== 'object' || value === null || Array.isArray(value)) {
    const where = problem === undefined ? '' : ` (${printParseErrorCode(problem.error)} at offset ${problem.offset})`;
    throw new LayerswarmError(
      'config-invalid',
      `${path}${where}: expected a JSON object, received something else: mend it first, then run setup again`,
    );
  }
  const mirrors = (value as Record<string, unknown>)[KEY] ?? [];
  if (!Array.isArray(mirrors))
    throw new LayerswarmError('config-invalid', `${path}: expected a list as ${KEY}, received ${JSON.stringify(mirrors).slice(0, 60)}`);
  if (mirrors.some((entry) => typeof entry === 'string' && entry.replace(/\/+$/, '') === mirror)) return text;
  const formattingOptions = { ...indentationOf(text), eol: endOfLine(text) };
  const first = findNodeAtLocation(parseTree(text)!, [KEY, 0]);
  if (first === undefined) return applyEdits(text, modify(text, [KEY], [mirror], { formattingOptions }));
  // as the list is written: on one line, or one line each
  const [gap] = /\s*$/.exec(text.slice(0, first.offset))!;
  return `${text.slice(0, first.offset)}${JSON.stringify(mirror)},${gap.includes('\n') ? gap : ' '}${text.slice(first.offset)}`;
}

function indentationOf(text: string): { insertSpaces: boolean; tabSize: number } {
  const indent = /^([ \t]+)"/m.exec(text)?.[1] ?? '  ';
  return indent.startsWith('\t') ? { insertSpaces: false, tabSize: 1 } : { insertSpaces: true, tabSize: indent.length };
}
