import test from 'ava';
import * as fc from 'fast-check';
import { LayerswarmError } from '../../../src/errors.ts';
import { Digest } from '../../../src/oci/digest.ts';
import { isRepositoryName, isTag } from '../../../src/oci/name.ts';
import { Reference } from '../../../src/oci/reference.ts';

const digest = `sha256:${'a'.repeat(64)}`;

// input, canonical, familiar
const VALID: readonly [string, string, string][] = [
  ['alpine', 'docker.io/library/alpine', 'alpine'],
  ['alpine:3.20', 'docker.io/library/alpine:3.20', 'alpine:3.20'],
  ['library/alpine', 'docker.io/library/alpine', 'alpine'],
  ['docker.io/alpine', 'docker.io/library/alpine', 'alpine'],
  ['index.docker.io/team/app', 'docker.io/team/app', 'team/app'],
  ['team/app', 'docker.io/team/app', 'team/app'],
  ['localhost/app', 'localhost/app', 'localhost/app'],
  ['localhost:5000/app:v1', 'localhost:5000/app:v1', 'localhost:5000/app:v1'],
  ['docker.io/localhost/app', 'docker.io/localhost/app', 'docker.io/localhost/app'],
  ['registry.example/a/b/c', 'registry.example/a/b/c', 'registry.example/a/b/c'],
  ['Registry.Example:443/a', 'registry.example:443/a', 'registry.example:443/a'],
  ['127.0.0.1:5000/a', '127.0.0.1:5000/a', '127.0.0.1:5000/a'],
  ['[::1]:5000/a:b', '[::1]:5000/a:b', '[::1]:5000/a:b'],
  [`app@${digest}`, `docker.io/library/app@${digest}`, `app@${digest}`],
  [`app:1@${digest}`, `docker.io/library/app:1@${digest}`, `app:1@${digest}`],
  ['ghcr.io/a__b/c.d-e--f:T_.-9', 'ghcr.io/a__b/c.d-e--f:T_.-9', 'ghcr.io/a__b/c.d-e--f:T_.-9'],
];

for (const [text, canonical, familiar] of VALID) {
  test(`"${text}" is ${canonical}`, (t) => {
    const reference = Reference.parse(text);
    t.is(reference.toString(), canonical);
    t.is(reference.familiar, familiar);
    t.is(reference.name, `${reference.registry}/${reference.repository}`);
    t.is(Reference.parse(familiar).toString(), canonical, 'the familiar form means the same');
  });
}

const INVALID: readonly string[] = [
  '',
  ':tag',
  '@',
  `@${digest}`,
  'Alpine',
  'team/App',
  'Team/app',
  'A/0',
  'a b',
  'app:',
  'app:tag:tag',
  'app:-x',
  `app:${'x'.repeat(129)}`,
  'app@sha256:abc',
  `app@${digest}@${digest}`,
  'app@md5:abc',
  '/app',
  'app/',
  'a//b',
  'host.example//a',
  'host:0/a',
  'host:70000/a',
  'host:x/a',
  '-host.example/a',
  '[::g]/a',
  '[::1/a',
  'http://host/a',
  'a___b/c',
  '.a/b',
  'a..b/c',
  'ä/b',
  'a\n',
  'a'.repeat(64),
  `${'a'.repeat(300)}/x`,
  'user@host/a',
];

for (const text of INVALID) {
  test(`${JSON.stringify(text.slice(0, 60))} (${text.length}) is no reference`, (t) => {
    const error = t.throws(() => Reference.parse(text), { instanceOf: LayerswarmError });
    t.is(error?.code, 'reference-invalid');
  });
}

test('a name without a host belongs to the given default registry', (t) => {
  t.is(Reference.parse('team/app:1', { defaultRegistry: 'registry.example:5000' }).toString(), 'registry.example:5000/team/app:1');
  t.is(Reference.parse('app', { defaultRegistry: 'registry.example' }).name, 'registry.example/app', 'library/ is Docker Hub’s alone');
  t.is(Reference.parse('quay.io/app', { defaultRegistry: 'registry.example' }).name, 'quay.io/app');
});

test('the default tag is set only where neither tag nor digest is', (t) => {
  t.is(Reference.parse('app').withDefaultTag().familiar, 'app:latest');
  t.is(Reference.parse('app:1').withDefaultTag().familiar, 'app:1');
  t.is(Reference.parse(`app@${digest}`).withDefaultTag().familiar, `app@${digest}`);
  t.is(Reference.parse('app:1').withDigest(Digest.parse(digest)).familiar, `app@${digest}`);
});

test('whatever text comes, parsing returns a reference that reads back as itself, or refuses', (t) => {
  const part = fc.stringMatching(/^[a-zA-Z0-9._:@/[\]-]{0,40}$/);
  const anything = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    part,
    fc.tuple(part, part).map(([a, b]) => `${a}/${b}`),
  );
  t.notThrows(() => {
    fc.assert(
      fc.property(anything, (text) => {
        let reference: Reference;
        try {
          reference = Reference.parse(text);
        } catch (error) {
          return error instanceof LayerswarmError && error.code === 'reference-invalid';
        }
        const again = Reference.parse(reference.toString());
        return (
          again.toString() === reference.toString() &&
          Reference.parse(reference.familiar).toString() === reference.toString() &&
          isRepositoryName(reference.repository) &&
          (reference.tag === undefined || isTag(reference.tag))
        );
      }),
      { numRuns: 2000 },
    );
  });
});

const NAMES: readonly [string, boolean][] = [
  ['a', true],
  ['a/b', true],
  ['a.b_c__d-e---f/0', true],
  ['a'.repeat(255), true],
  ['a'.repeat(256), false],
  ['', false],
  ['A', false],
  ['a/', false],
  ['/a', false],
  ['a___b', false],
  ['a..b', false],
  ['a-/b', false],
  ['_a', false],
  ['a._b', false],
  ['a:b', false],
  ['a\n', false],
  ['é', false],
];

for (const [name, valid] of NAMES) {
  test(`${JSON.stringify(name.slice(0, 20))} (${name.length}) is ${valid ? 'a' : 'no'} repository name`, (t) => {
    t.is(isRepositoryName(name), valid);
  });
}

const TAGS: readonly [string, boolean][] = [
  ['latest', true],
  ['_', true],
  ['1.0-rc.1_x', true],
  ['x'.repeat(128), true],
  ['x'.repeat(129), false],
  ['', false],
  ['.x', false],
  ['-x', false],
  ['a:b', false],
  ['a\n', false],
];

for (const [tag, valid] of TAGS) {
  test(`${JSON.stringify(tag.slice(0, 20))} (${tag.length}) is ${valid ? 'a' : 'no'} tag`, (t) => {
    t.is(isTag(tag), valid);
  });
}

test('a hostile name is refused in linear time', (t) => {
  t.false(isRepositoryName(`${'a-'.repeat(120)}!`));
  t.false(isRepositoryName(`${'a'.repeat(1_000_000)}!`));
});
