import { type Finished, run, runOk, type RunOptions } from './process.ts';

export interface SkopeoOptions extends RunOptions {
  readonly registriesConf?: string;
}

/** Whatever its exit code. Needs the tool `skopeo`. */
export function skopeo(args: readonly string[], { registriesConf, ...options }: SkopeoOptions = {}): Promise<Finished> {
  return run('skopeo', command(args, registriesConf), { deadline: 300_000, ...options });
}

export function skopeoOk(args: readonly string[], { registriesConf, ...options }: SkopeoOptions = {}): Promise<Finished> {
  return runOk('skopeo', command(args, registriesConf), { deadline: 300_000, ...options });
}

/** Copies an image, with all platforms when it is an index, leaving its bytes as they are. */
export async function skopeoCopy(
  source: string,
  destination: string,
  { all = true, ...options }: SkopeoOptions & { all?: boolean } = {},
): Promise<void> {
  await skopeoOk(
    ['copy', '--preserve-digests', ...(all ? ['--all'] : []), '--src-tls-verify=false', '--dest-tls-verify=false', source, destination],
    options,
  );
}

function command(args: readonly string[], registriesConf: string | undefined): string[] {
  return ['--insecure-policy', ...(registriesConf === undefined ? [] : ['--registries-conf', registriesConf]), ...args];
}
