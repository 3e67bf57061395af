/** A pattern in which `*` is any text, slashes too, and every other character itself; it has to match the whole. */
export function globToRegExp(pattern: string): RegExp {
  // runs of "*" are one: two in a row would make matching slow, and mean the same
  return new RegExp(
    `^${pattern
      .split(/\*+/)
      .map((part) => RegExp.escape(part))
      .join('.*')}$`,
    's',
  );
}
