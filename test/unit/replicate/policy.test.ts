import test from 'ava';
import { errorCode } from '../../../src/errors.ts';
import { replicationSchema } from '../../../src/agent/config/replication-schema.ts';
import { matchesRepository, matchesTag, routesOf, targetRepository } from '../../../src/replicate/policy.ts';

const globs: readonly [allow: string[], deny: string[], name: string, fits: boolean][] = [
  [['*'], [], 'team/app', true],
  [['team/*'], [], 'team/a/b', true],
  [['team/*'], [], 'steam/a', false],
  [['team/*'], ['team/secret*'], 'team/secret/x', false],
  [['team/app'], [], 'team/app2', false],
  [['v*.*'], [], 'v1-0', false],
  [['v1.0'], [], 'v1x0', false],
  [['**a**b'], [], 'xaxxb', true],
];
for (const [allow, deny, name, fits] of globs) {
  test(`${JSON.stringify(name)} ${fits ? 'fits' : 'does not fit'} ${JSON.stringify(allow)} without ${JSON.stringify(deny)}`, (t) => {
    t.is(matchesRepository({ repositories: { allow, deny } }, name), fits);
    t.is(matchesTag({ tags: { allow, deny } }, name), fits);
  });
}

test('tags named after a digest are matched by no policy', (t) => {
  const everything = { tags: { allow: ['*'], deny: [] } };
  t.false(matchesTag(everything, `sha256-${'a'.repeat(64)}`));
  t.false(matchesTag(everything, `sha256-${'a'.repeat(64)}.sig`));
  t.true(matchesTag(everything, 'sha256-of-something'));
});

test('prefixes rename a repository, and must leave a name', (t) => {
  t.is(targetRepository({ stripPrefix: 'team/', addPrefix: 'mirror/' }, 'team/app'), 'mirror/app');
  t.is(targetRepository({ stripPrefix: 'team/', addPrefix: '' }, 'other/app'), 'other/app');
  t.is(errorCode(t.throws(() => targetRepository({ stripPrefix: 'team/app', addPrefix: '' }, 'team/app'))), 'name-invalid');
});

const parse = (policy: object, target: object = {}): ReturnType<typeof replicationSchema.safeParse> =>
  replicationSchema.safeParse({
    targets: [{ name: 'eu', url: 'https://eu.example', ...target }],
    policies: [{ name: 'p', targets: ['eu'], ...policy }],
  });

test('routes are the same for nodes that are configured alike, however they log in', (t) => {
  const fingerprint = (policy: object, target: object): string => routesOf(parse(policy, target).data!)[0]!.fingerprint;
  t.is(fingerprint({}, {}), fingerprint({}, { username: 'u', passwordFile: '/p', bandwidth: '1MB/s' }));
  t.not(fingerprint({}, {}), fingerprint({ addPrefix: 'x/' }, {}));
  t.is(errorCode(t.throws(() => routesOf(parse({ targets: ['us'] }).data!))), 'config-invalid');
});

const refused: readonly [title: string, policy: object, target: object][] = [
  ['a password in the URL', {}, { url: 'https://user:secret@eu.example' }],
  ['a path in the URL', {}, { url: 'https://eu.example/v2' }],
  ['a user without a password', {}, { username: 'u' }],
  ['a schedule that is none', { schedule: 'now and then' }, {}],
  ['a schedule of no time', { schedule: '0s' }, {}],
  ['an unknown key', { tag: 'x' }, {}],
  ['an unknown conflict policy', { conflict: 'ask' }, {}],
  ['a platform that is none', { platforms: ['a/b/c/d'] }, {}],
];
for (const [title, policy, target] of refused)
  test(`the configuration is refused with ${title}`, (t) => t.false(parse(policy, target).success));

test('a schedule is a cron expression or an interval', (t) => {
  t.is(parse({ schedule: '1h' }).data?.policies[0]?.schedule, 3_600_000);
  t.is(parse({ schedule: '0 3 * * *' }).data?.policies[0]?.schedule, '0 3 * * *');
});
