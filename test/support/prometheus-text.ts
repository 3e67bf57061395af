/** Of a scrape: the families of this program that say what they are, and give no number. */
export function familiesWithoutSamples({ text }: { readonly text: string }): string[] {
  const lines = text.split('\n');
  const families = lines.flatMap((line) => /^# TYPE (layerswarm_\S+) /.exec(line)?.[1] ?? []);
  return families.filter((family) => !lines.some((line) => new RegExp(`^${family}(?:_bucket)?[ {]`).test(line)));
}
