import test from 'ava';
import { ExcludedRepositories } from '../../../../src/agent/config/excluded-repositories.ts';
import { Digest } from '../../../../src/oci/digest.ts';

const blob = Digest.of(Buffer.from('blob'));

function excluded(patterns: string[], repositories: string[] = []): ExcludedRepositories {
  return new ExcludedRepositories(patterns, { repositoriesOf: () => repositories });
}

const names: readonly [pattern: string, repository: string, expected: boolean][] = [
  ['secret/*', 'secret/app', true],
  ['secret/*', 'secret/a/b', true],
  ['secret/*', 'secret', false],
  ['secret/*', 'my-secret/app', false],
  ['team/app', 'team/app', true],
  ['team/app', 'team/apple', false],
  ['team.x/*', 'teamyx/app', false],
  ['*/internal', 'a/b/internal', true],
];
for (const [pattern, repository, expected] of names) {
  test(`"${pattern}" ${expected ? 'excludes' : 'leaves in'} ${repository}`, (t) => {
    t.is(excluded([pattern]).has(`registry.example:5000/${repository}`), expected);
  });
}

for (const [pattern, full, expected] of [
  ['quay.io/*', 'quay.io/team/app', true],
  ['quay.io/*', 'docker.io/team/app', false],
  ['registry.example:5000/team/*', 'registry.example:5000/team/app', true],
  ['reg.embedded/secret/*', '12d3koow.embedded/secret/app', true],
  ['reg.embedded/secret/*', '12d3koow.embedded/team/app', false],
  ['reg.embedded/*', 'quay.io/team/app', false],
  ['*', 'docker.io/team/app', true],
  ['app', 'docker.io/team/app', false],
] as const) {
  test(`"${pattern}" ${expected ? 'excludes' : 'leaves in'} ${full}, by its registry`, (t) =>
    t.is(excluded([pattern]).has(full), expected));
}

test('a blob is shared unless all repositories that link it are excluded', (t) => {
  t.true(excluded(['secret/*'], ['r.example/secret/app', 'r.example/team/app']).mayShare(blob));
  t.false(excluded(['secret/*'], ['r.example/secret/app']).mayShare(blob));
  t.true(excluded(['secret/*'], []).mayShare(blob));
  t.true(excluded([], ['r.example/secret/app']).mayShare(blob));
});
