import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const SOURCE_MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
/** The program as test/run.ts built it for the end-to-end tests; that of the sources where a test file is run by itself. */
export const MAIN = process.env['SWARM_TEST_PROGRAM'] ?? SOURCE_MAIN;

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The caller's environment without any setting of layerswarm, and without the configuration of this host. */
export function cleanEnv(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('LAYERSWARM_'))),
    LAYERSWARM_CONFIG: '/dev/null',
    ...extra,
  };
}

/** Runs the real program to its end. */
export async function cli(
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; nodeArgs?: readonly string[] } = {},
): Promise<CliResult> {
  const child = spawn(process.execPath, [...(options.nodeArgs ?? []), MAIN, ...args], {
    env: cleanEnv(options.env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve, reject) => child.once('close', resolve).once('error', reject)),
  ]);
  return { code, stdout, stderr };
}

async function text(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
