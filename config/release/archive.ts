import { run } from './run.ts';

/** A tarball of the folder `name` in `parent` that is the same whenever, wherever and by whomever it is made. */
export async function writeArchive(parent: string, name: string, file: string, date: Date): Promise<void> {
  const tar = [
    'tar',
    '--sort=name',
    '--format=gnu',
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '--mode=u=rwX,go=rX',
    `--mtime=@${date.getTime() / 1000}`,
    '-C',
    parent,
    '-c',
    name,
  ];
  await run('sh', ['-c', '"$@" | gzip -n -6 >"$0"', file, ...tar]);
}
