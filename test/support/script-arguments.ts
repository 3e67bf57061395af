import { parseArgs, type ParseArgsConfig } from 'node:util';

/**
 * What `read` makes of the arguments of a script that people run by hand, which are parsed as `parseArgs` does. With `--help` the script
 * prints its usage and ends with 0. What it does not know, and what `read` throws at, ends it with one line and exit code 2.
 */
export function scriptArguments<const T extends ParseArgsConfig, R>(
  usage: string,
  config: T,
  read: (parsed: ReturnType<typeof parseArgs<T>>) => R,
): R {
  if (process.argv.slice(2).some((word) => word === '--help' || word === '-h')) {
    console.log(usage);
    process.exit(0);
  }
  try {
    return read(parseArgs(config));
  } catch (error) {
    // After its first sentence parseArgs tells how a value that looks like an option could be given.
    console.error(`${(error as Error).message.split(/\.\s/, 1)[0]}; --help tells what there is`);
    process.exit(2);
  }
}

/** @throws Error when it is not a number of at least `least` */
export function readNumber(what: string, text: string, least = 0): number {
  const number = text.trim() === '' ? Number.NaN : Number(text);
  if (!Number.isFinite(number) || number < least) throw new Error(`${what}: expected a number from ${least}, received "${text}"`);
  return number;
}

/** Those of all names that were given, or all. @throws Error when one was given that is none of them */
export function readNames<T extends string>(what: string, given: readonly string[] | undefined, all: readonly T[]): readonly T[] {
  const unknown = given?.find((each) => !all.some((name) => name === each));
  if (unknown !== undefined) throw new Error(`${what}: expected ${all.join(', ')}, received "${unknown}"`);
  return given === undefined ? all : all.filter((name) => given.includes(name));
}
