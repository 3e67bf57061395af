import { X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { readSwarmKey } from '../../swarm/network/swarm-key.ts';
import type { AgentConfig } from './config.ts';

export const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

export interface FileFindings {
  /** What keeps an agent from working, one line each. */
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/** Looks into the key, CA and password files that a configuration names. No line holds what is in them. */
export async function lookIntoFiles(
  config: Pick<AgentConfig, 'swarmKey' | 'originCa' | 'originPasswordFile' | 'upstreams' | 'replication'>,
): Promise<FileFindings> {
  const problems: string[] = [];
  const warnings: string[] = [];
  for (const path of config.swarmKey) {
    try {
      const { warning } = await readSwarmKey(path);
      if (warning !== undefined) warnings.push(warning);
    } catch (error) {
      problems.push(`swarmKey: ${(error as Error).message}`);
    }
  }
  const certificates: [key: string, path: string | undefined][] = [
    ['originCa', config.originCa],
    ...config.upstreams.map(({ name, ca }): [string, string | undefined] => [`mirrors, ${name}, ca`, ca]),
    ...config.replication.targets.map(({ name, ca }): [string, string | undefined] => [`replication.targets, ${name}, ca`, ca]),
  ];
  const passwords: [key: string, path: string | undefined][] = [
    ['originPasswordFile', config.originPasswordFile],
    ...config.upstreams.map(({ name, login }): [string, string | undefined] => [`mirrors, ${name}, passwordFile`, login?.passwordFile]),
    ...config.replication.targets.map(({ name, passwordFile }): [string, string | undefined] => [
      `replication.targets, ${name}, passwordFile`,
      passwordFile,
    ]),
  ];
  for (const [key, path] of certificates) if (path !== undefined) problems.push(...(await certificateProblems(key, path)));
  for (const [key, path] of passwords) if (path !== undefined) await lookIntoPassword(key, path, problems, warnings);
  return { problems, warnings };
}

async function certificateProblems(key: string, path: string): Promise<string[]> {
  const text = await textOf(path);
  if (text instanceof Error) return [`${key}: expected a file of PEM certificates, received ${path}: ${codeOf(text)}`];
  const found = text.match(CERTIFICATE) ?? [];
  if (found.length === 0) return [`${key}: expected PEM certificates, received ${path}, which holds none`];
  return found.flatMap((pem, index) => {
    try {
      const { validToDate } = new X509Certificate(pem);
      return validToDate.getTime() < Date.now()
        ? [
            `${key}: expected certificates that are valid, received ${path}, whose certificate ${index + 1} ended ${validToDate.toISOString()}`,
          ]
        : [];
    } catch {
      return [`${key}: expected PEM certificates, received ${path}, whose certificate ${index + 1} cannot be read`];
    }
  });
}

async function lookIntoPassword(key: string, path: string, problems: string[], warnings: string[]): Promise<void> {
  const text = await textOf(path);
  if (text instanceof Error) problems.push(`${key}: expected a file with a password, received ${path}: ${codeOf(text)}`);
  else if (text.trim() === '') problems.push(`${key}: expected a file with a password, received ${path}, which is empty`);
  else if (((await stat(path)).mode & 0o077) !== 0) warnings.push(`${key}: ${path} can be read by others on this host: chmod 600 ${path}`);
}

async function textOf(path: string): Promise<string | Error> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    return error as Error;
  }
}

function codeOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.message;
}
