import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { LayerswarmError } from '../../../src/errors.ts';
import { askCredentialHelper } from '../../../src/origin/credential-helper.ts';
import { type Credentials, passwordFileCredentials, staticCredentials } from '../../../src/origin/credentials.ts';
import { credentialFiles, dockerConfigCredentials } from '../../../src/origin/docker-config.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { TestClock } from '../../support/test-clock.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const basic = (username: string, password: string): Credentials => ({ kind: 'basic', username, password });

function configFile(t: ExecutionContext, config: object | string): string {
  const file = join(tempDir(t), 'config.json');
  writeFileSync(file, typeof config === 'string' ? config : JSON.stringify(config));
  return file;
}

/** Puts a program docker-credential-NAME on the PATH of this process. */
function installHelper(t: ExecutionContext, name: string, script: string): void {
  const folder = tempDir(t, 'bin');
  const program = join(folder, `docker-credential-${name}`);
  writeFileSync(program, `#!/bin/sh\n${script}\n`);
  chmodSync(program, 0o755);
  process.env['PATH'] = `${folder}:${process.env['PATH'] ?? ''}`;
}

// config, registry, repository, credentials
const CONFIGS: readonly [string, object, string, string | undefined, Credentials][] = [
  [
    'the host',
    { auths: { 'registry.example:5000': { auth: base64('u:p:with:colons') } } },
    'https://registry.example:5000',
    undefined,
    basic('u', 'p:with:colons'),
  ],
  [
    'a URL as docker wrote it once',
    { auths: { 'https://registry.example/v1/': { auth: base64('u:p') } } },
    'https://registry.example',
    undefined,
    basic('u', 'p'),
  ],
  [
    'the default port',
    { auths: { 'registry.example:443': { auth: base64('u:p') } } },
    'https://registry.example',
    undefined,
    basic('u', 'p'),
  ],
  [
    'Docker Hub',
    { auths: { 'https://index.docker.io/v1/': { auth: base64('u:p') } } },
    'https://registry-1.docker.io',
    undefined,
    basic('u', 'p'),
  ],
  [
    'user name and password apart',
    { auths: { 'r.example': { username: 'u', password: 'p' } } },
    'https://r.example',
    undefined,
    basic('u', 'p'),
  ],
  [
    'an identity token',
    { auths: { 'r.example': { auth: base64('u:'), identitytoken: 'idt' } } },
    'https://r.example',
    undefined,
    { kind: 'refresh-token', username: 'u', token: 'idt' },
  ],
  [
    'a registry token',
    { auths: { 'r.example': { registrytoken: 'rt' } } },
    'https://r.example',
    undefined,
    { kind: 'bearer', token: 'rt' },
  ],
  ['another host only', { auths: { 'other.example': { auth: base64('u:p') } } }, 'https://r.example', undefined, { kind: 'anonymous' }],
  ['another port only', { auths: { 'r.example:5000': { auth: base64('u:p') } } }, 'https://r.example', undefined, { kind: 'anonymous' }],
  ['an empty entry', { auths: { 'r.example': {} } }, 'https://r.example', undefined, { kind: 'anonymous' }],
  [
    'the longest namespace of podman',
    {
      auths: {
        'r.example': { auth: base64('host:p') },
        'r.example/team': { auth: base64('team:p') },
        'r.example/team/app': { auth: base64('app:p') },
      },
    },
    'https://r.example',
    'team/app',
    basic('app', 'p'),
  ],
  [
    'a namespace above',
    { auths: { 'r.example': { auth: base64('host:p') }, 'r.example/team': { auth: base64('team:p') } } },
    'https://r.example',
    'team/other/app',
    basic('team', 'p'),
  ],
];

for (const [title, config, registry, repository, expected] of CONFIGS) {
  test(`docker's file with ${title}`, async (t) => {
    const provider = dockerConfigCredentials({ registry: new URL(registry), files: [configFile(t, config)] });
    t.deepEqual(await provider.get({ repository }), expected);
  });
}

test('the first file that knows a login counts, and files that are not there do not matter', async (t) => {
  const known = configFile(t, { auths: { 'r.example': { auth: base64('second:p') } } });
  const provider = dockerConfigCredentials({
    registry: new URL('https://r.example'),
    files: ['/nonexistent/config.json', configFile(t, {}), known],
  });
  t.deepEqual(await provider.get({}), basic('second', 'p'));
});

test('a file is read again when it changed', async (t) => {
  const file = configFile(t, { auths: { 'r.example': { auth: base64('u:old') } } });
  const provider = dockerConfigCredentials({ registry: new URL('https://r.example'), files: [file] });
  t.deepEqual(await provider.get({}), basic('u', 'old'));
  writeFileSync(file, JSON.stringify({ auths: { 'r.example': { auth: base64('u:newer') } } }));
  t.deepEqual(await provider.get({}), basic('u', 'newer'));
});

test('a broken file is config-invalid, and the message shows nothing of it', async (t) => {
  for (const text of ['{"auths": {"r.example": {"auth": "c2VjcmV0"', '{"auths": {"r.example": "c2VjcmV0"}}']) {
    const provider = dockerConfigCredentials({ registry: new URL('https://r.example'), files: [configFile(t, text)] });
    const error = await t.throwsAsync<LayerswarmError>(provider.get({}), { code: 'config-invalid' });
    t.notRegex(`${error?.message} ${String(error?.cause)}`, /c2VjcmV0/);
  }
});

test('a password file is read without the line break at its end, and again when it changed', async (t) => {
  const file = join(tempDir(t), 'password');
  const provider = passwordFileCredentials('u', file);
  await t.throwsAsync(provider.get({}), { code: 'config-invalid' });
  writeFileSync(file, 'geheim \n');
  t.deepEqual(await provider.get({}), basic('u', 'geheim '));
  writeFileSync(file, 'rotated');
  t.deepEqual(await provider.get({}), basic('u', 'rotated'));
  t.notRegex(provider.source, /rotated/);
  t.notRegex(staticCredentials('u', 'geheim').source, /geheim/);
});

test.serial('a helper is asked for the registry, and its answer used again for a while', async (t) => {
  const log = join(tempDir(t), 'log');
  installHelper(t, 'good', `read server; echo "$1 $server" >> ${log}; echo '{"ServerURL":"x","Username":"u","Secret":"p"}'`);
  const clock = new TestClock();
  const file = configFile(t, { credHelpers: { 'r.example:5000': 'good' }, auths: { 'r.example:5000': {} } });
  const provider = dockerConfigCredentials({ registry: new URL('https://r.example:5000'), files: [file], clock });
  t.deepEqual(await provider.get({}), basic('u', 'p'));
  await provider.get({});
  const calls = (): string[] => readFileSync(log, 'utf8').trim().split('\n');
  t.deepEqual(calls(), ['get r.example:5000']);
  await provider.get({ fresh: true });
  t.is(calls().length, 2, 'a refused answer is asked for again');
  clock.advance(301_000);
  await provider.get({});
  t.is(calls().length, 3);
});

test.serial('credsStore is asked where nothing else knows a login; <token> is an identity token', async (t) => {
  installHelper(t, 'store', `echo '{"ServerURL":"x","Username":"<token>","Secret":"idt"}'`);
  const file = configFile(t, { credsStore: 'store' });
  t.deepEqual(await dockerConfigCredentials({ registry: new URL('https://r.example'), files: [file] }).get({}), {
    kind: 'refresh-token',
    username: '<token>',
    token: 'idt',
  });
});

test.serial('a helper that knows nothing means no login; one that fails, hangs or babbles is an error without its output', async (t) => {
  installHelper(t, 'none', 'echo "credentials not found in native keychain"; exit 1');
  installHelper(t, 'broken', 'echo geheim; echo geheim >&2; exit 2');
  installHelper(t, 'babble', 'echo geheim');
  installHelper(t, 'hang', 'exec sleep 600');
  t.deepEqual(await askCredentialHelper('none', 'r.example'), { kind: 'anonymous' });
  for (const name of ['broken', 'babble', 'missing', '../x', '']) {
    const error = await t.throwsAsync<LayerswarmError>(askCredentialHelper(name, 'r.example'), { code: 'config-invalid' });
    t.notRegex(error?.message ?? '', /geheim/);
  }
  await t.throwsAsync(askCredentialHelper('hang', 'r.example', 200), { code: 'timeout' });
});

test('credentials are looked for where docker and podman keep them', (t) => {
  t.deepEqual(credentialFiles({}, '/home/u'), ['/home/u/.docker/config.json', '/home/u/.config/containers/auth.json']);
  t.deepEqual(
    credentialFiles(
      { DOCKER_CONFIG: '/d', REGISTRY_AUTH_FILE: '/a.json', XDG_RUNTIME_DIR: '/run/user/1', XDG_CONFIG_HOME: '/c' },
      '/home/u',
    ),
    ['/a.json', '/d/config.json', '/run/user/1/containers/auth.json', '/c/containers/auth.json'],
  );
});
