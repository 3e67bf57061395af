import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { cli } from '../../support/cli.ts';
import { tempDir } from '../../support/temp-dir.ts';

test('what config prints is a configuration that says the same', async (t) => {
  const folder = tempDir(t);
  const key = join(folder, 'swarm.key');
  t.is((await cli(['key', key])).code, 0);
  const first = join(folder, 'first.yaml');
  writeFileSync(
    first,
    `swarmKey: [${key}]\nname: node-7\norigin: https://r.example\nbootstrap: ["seed.example:4001", "dns:swarm.example"]\nlimits: { upload: 50MB/s }\nmirrors: [docker.io, "quay.io=https://quay.io"]\nstore: { maxBytes: 40% }\n`,
  );
  const printed = await cli(['--config', first, 'config']);
  t.is(printed.code, 0, printed.stderr);
  t.regex(printed.stdout, /^name: node-7$/m);
  t.regex(printed.stdout, /upload: 50MB\/s/);
  const second = join(folder, 'second.yaml');
  writeFileSync(second, printed.stdout);
  t.is((await cli(['--config', second, 'config'])).stdout, printed.stdout);
});

test('config says everything that is wrong, in files too, and never what is in them', async (t) => {
  const folder = tempDir(t);
  const file = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  const wrong = await cli(['--config', file('a.yaml', 'zone: "not valid!"\nmdns: sometimes\nspeed: 3\n'), 'config']);
  t.is(wrong.code, 2);
  t.deepEqual(
    wrong.stderr
      .trim()
      .split('\n')
      .map((line) => /^layerswarm: (\w+)/.exec(line)?.[1] ?? '')
      .sort(),
    ['mdns', 'speed', 'zone'],
  );
  const files = await cli([
    '--config',
    file(
      'b.yaml',
      `swarmKey: [${file('k', 'correct horse battery staple 1234')}]\norigin: https://r.example\noriginCa: ${file('ca.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')}\noriginUsername: bot\noriginPasswordFile: ${file('pw', '\n')}\nmirrors: [{name: q.io, url: "https://q.io", username: b, passwordFile: ${join(folder, 'none')}}]\n`,
    ),
    'config',
  ]);
  t.is(files.code, 2);
  const lines = files.stderr.trim().split('\n');
  t.is(lines.length, 4, files.stderr);
  for (const says of [
    /swarmKey: .*passphrase is refused/,
    /originCa: .*certificate 1 cannot be read/,
    /originPasswordFile: .*is empty/,
    /mirrors, q\.io, passwordFile: .*ENOENT/,
  ])
    t.true(
      lines.some((line) => says.test(line)),
      String(says),
    );
  t.notRegex(files.stderr, /correct horse/);
});
