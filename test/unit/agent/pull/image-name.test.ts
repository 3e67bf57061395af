import test from 'ava';
import { parseImageName, type ImageNameOptions } from '../../../../src/agent/pull/image-name.ts';

const options: ImageNameOptions = {
  registryName: () => 'registry.example:5000',
  mirrors: () => ['docker.io'],
  endpoint: () => '127.0.0.1:5050',
};

const names: readonly [typed: string, reference: string][] = [
  ['team/app', 'registry.example:5000/team/app:latest'],
  ['team/app:1', 'registry.example:5000/team/app:1'],
  ['app', 'registry.example:5000/app:latest'],
  ['registry.example:5000/team/app:1', 'registry.example:5000/team/app:1'],
  ['docker.io/library/alpine:3', 'registry.example:5000/library/alpine:3'],
  ['127.0.0.1:5050/team/app:1', 'registry.example:5000/team/app:1'],
  [`team/app@sha256:${'a'.repeat(64)}`, `registry.example:5000/team/app@sha256:${'a'.repeat(64)}`],
];
for (const [typed, reference] of names) {
  test(`${typed} is ${reference} of the origin`, (t) => {
    const name = parseImageName(typed, options);
    t.is(name.reference.toString(), reference);
    t.is(`registry.example:5000/${name.name}`, name.full);
  });
}

test('an image of another registry is refused, with what to do', (t) => {
  t.throws(() => parseImageName('quay.io/team/app:1', options), {
    code: 'reference-invalid',
    message: /expected an image of registry\.example:5000 or docker\.io, received quay\.io\/team\/app:1: .* add quay\.io to mirrors/,
  });
});

test('a malformed reference is refused', (t) => {
  t.throws(() => parseImageName('Team//App', options), { code: 'reference-invalid' });
});

test('without an origin nothing can be named, and a malformed reference is still said to be one', (t) => {
  const none = { ...options, registryName: () => undefined };
  t.throws(() => parseImageName('team/app', none), { code: 'origin-unknown', message: /--origin/ });
  t.throws(() => parseImageName('Team//App', none), { code: 'reference-invalid' });
});

test('the registry of a reference chooses the upstream', (t) => {
  const mirroring = { ...options, upstreams: () => ['quay.io', 'private.example:443'] };
  t.is(parseImageName('quay.io/team/app:1', mirroring).full, 'quay.io/team/app');
  t.is(parseImageName('private.example:443/team/app', mirroring).reference.toString(), 'private.example:443/team/app:latest');
  t.is(parseImageName('127.0.0.1:5050/quay.io/team/app:1', mirroring).full, 'quay.io/team/app', 'as this node names it');
  t.is(parseImageName('team/app', mirroring).full, 'registry.example:5000/team/app');
  t.is(
    parseImageName('quay.io/team/app', { ...mirroring, registryName: () => undefined }).full,
    'quay.io/team/app',
    'also while no origin is known',
  );
  t.throws(() => parseImageName('ghcr.io/team/app', mirroring), {
    message: /registry\.example:5000 or docker\.io or quay\.io or private\.example:443/,
  });
});
