import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { decodeToken, encodeToken } from '../../../src/cli/join/token.ts';
import { makeSwarmKey, startAgent } from '../../support/layerswarm.ts';
import { run, startProgram } from '../../support/process.ts';
import { tempDir } from '../../support/temp-dir.ts';

const LAUNCHER = fileURLToPath(new URL('../../../src/cli/layerswarm.sh', import.meta.url));
const KEY = Buffer.from(Array.from({ length: 32 }, (_, index) => (index * 7) & 0xff));
const CHARTER_KEY = `prod:${KEY.toString('base64url')}`;
const TOKEN = {
  key: KEY,
  addresses: ['/ip4/192.0.2.10/tcp/4001'],
  origin: 'https://registry.example:5000',
  originCa: 'PEM',
  charterKey: CHARTER_KEY,
  expires: 2_000,
};

test('a token says what was put in, until its time is over', (t) => {
  t.deepEqual(decodeToken(`${encodeToken(TOKEN)}\n`, 1_999_999), TOKEN);
  t.throws(() => decodeToken(encodeToken(TOKEN), 2_000_000), { message: /ended at 1970-01-01T00:33:20\.000Z: make a new one/ });
});

for (const [title, change] of [
  ['half a one', (token: string) => token.slice(0, -5)],
  [
    'one whose time was changed',
    (token: string) =>
      `lsw1.${Buffer.from(Buffer.from(token.split('.')[1]!, 'base64url').toString().replace('2000', '9999')).toString('base64url')}.${token.split('.')[2]}`,
  ],
  ['something else', () => 'xyz'],
  ['an address of no kind', () => encodeToken({ ...TOKEN, addresses: [] })],
] as const) {
  test(`${title} is refused, without a word of the key`, (t) => {
    const error = t.throws(() => decodeToken(change(encodeToken(TOKEN)), 0), { message: /^expected a (?:whole )?token/ });
    t.false(error.message.includes(KEY.toString('base64').slice(0, 12)));
  });
}

test('a second host joins with the token alone, which no process list shows', async (t) => {
  const key = await makeSwarmKey(t);
  const first = await startAgent(t, { origin: 'embedded', swarmKey: key, args: ['--zone', 'a', '--charter-key', CHARTER_KEY] });
  const made = await first.cliJson<{ token: string; addresses: string[] }>(['token', '--swarm-key', key, '--expires', '1h']);
  t.true(made.addresses.length > 0);

  const dir = tempDir(t, 'join');
  const config = join(dir, 'layerswarm.yaml');
  writeFileSync(config, '# mine\nzone: b\nmdns: false\n');
  const env = { LAYERSWARM_CONFIG: undefined, XDG_RUNTIME_DIR: dir };
  const data = join(dir, 'data');
  const joining = startProgram(t, LAUNCHER, ['join', made.token, '--config', config, '--data', data, '--json'], { env });
  await joining.waitForOutput(/is ready: start the node with/);
  t.false(readFileSync(`/proc/${joining.pid}/cmdline`, 'latin1').includes('lsw1.'), 'the command line is clean');
  t.is(statSync(join(dir, 'swarm.key')).mode & 0o777, 0o600);
  t.deepEqual(readFileSync(join(dir, 'swarm.key')), readFileSync(key));
  t.regex(readFileSync(config, 'utf8'), /^# mine\nzone: b\n/);
  t.true(readFileSync(config, 'utf8').includes(`charterKey: ${CHARTER_KEY}\n`));

  const second = await startAgent(t, { data, args: ['--config', config] });
  const { code, stdout, stderr } = await joining.finished;
  t.is(code, 0, stderr);
  t.like(JSON.parse(stdout), { started: false, node: { peerId: second.info.peerId, peers: 1 } });
  const { checks } = JSON.parse(stdout) as { checks: { check: string; level: string }[] };
  t.is(checks.find(({ check }) => check === 'agent')?.level, 'ok', 'the doctor looked');
  t.false(`${stdout}${stderr}${second.program.stderr}${first.program.stderr}`.includes(readFileSync(key).toString('base64').slice(0, 16)));

  const other = await run(LAUNCHER, ['join', '-', '--config', config, '--data', data, '--no-wait'], {
    env,
    input: encodeToken({ ...TOKEN, expires: undefined }),
  });
  t.is(other.code, 2);
  t.regex(other.stderr, /is the key of another swarm: move it away first/);
});

for (const [title, text] of [
  ['a list', '- a\n'],
  ['an alias of nothing', 'zone: *none\n'],
] as const) {
  test(`a configuration that is ${title} is left as it is, and so is the key`, async (t) => {
    const dir = tempDir(t, 'join');
    const config = join(dir, 'layerswarm.yaml');
    writeFileSync(config, text);
    const { code, stderr } = await run(
      LAUNCHER,
      ['join', '-', '--config', config, '--data', join(dir, 'data'), '--no-start', '--no-wait'],
      { input: encodeToken({ ...TOKEN, expires: undefined }) },
    );
    t.is(code, 2, stderr);
    t.regex(stderr, /^layerswarm: .*layerswarm\.yaml: expected [^\n]+\n$/);
    t.is(readFileSync(config, 'utf8'), text);
    t.false(existsSync(join(dir, 'swarm.key')));
  });
}
