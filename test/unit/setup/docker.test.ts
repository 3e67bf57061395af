import test from 'ava';
import { errorCode } from '../../../src/errors.ts';
import { addMirror, docker } from '../../../src/setup/docker.ts';
import { HUB, hostFiles, PRIVATE, QUAY, target } from '../../support/setup-root.ts';

const PATH = '/etc/docker/daemon.json';
const MIRROR = 'http://127.0.0.1:5050';

const ROWS: readonly (readonly [title: string, before: string | undefined, after: string])[] = [
  ['none', undefined, `{\n  "registry-mirrors": [\n    "${MIRROR}"\n  ]\n}\n`],
  ['an empty file', '', `{\n  "registry-mirrors": [\n    "${MIRROR}"\n  ]\n}\n`],
  [
    'no mirrors, four blanks, and an order that stays',
    '{\n    "log-driver": "json-file",\n    "data-root": "/d"\n}\n',
    `{\n    "log-driver": "json-file",\n    "data-root": "/d",\n    "registry-mirrors": [\n        "${MIRROR}"\n    ]\n}\n`,
  ],
  ['tabs', '{\n\t"debug": true\n}', `{\n\t"debug": true,\n\t"registry-mirrors": [\n\t\t"${MIRROR}"\n\t]\n}`],
  [
    'mirrors on one line',
    '{"registry-mirrors": ["https://m.example"], "debug": true}',
    `{"registry-mirrors": ["${MIRROR}", "https://m.example"], "debug": true}`,
  ],
  [
    'mirrors on a line each',
    '{\n  "registry-mirrors": [\n    "https://m.example"\n  ]\n}\n',
    `{\n  "registry-mirrors": [\n    "${MIRROR}",\n    "https://m.example"\n  ]\n}\n`,
  ],
  [
    'an empty list',
    '{\n  "registry-mirrors": [],\n  "debug": true\n}\n',
    `{\n  "registry-mirrors": [\n    "${MIRROR}"\n  ],\n  "debug": true\n}\n`,
  ],
  [
    'our mirror already',
    `{"registry-mirrors":["https://m.example","${MIRROR}/"]}`,
    `{"registry-mirrors":["https://m.example","${MIRROR}/"]}`,
  ],
  [
    'numbers that JavaScript would round',
    '{"max-x": 12345678901234567890}',
    `{\n  "max-x": 12345678901234567890,\n  "registry-mirrors": [\n    "${MIRROR}"\n  ]\n}`,
  ],
];

for (const [title, before, after] of ROWS) {
  test(`daemon.json with ${title}`, (t) => {
    const text = addMirror(before, PATH, MIRROR);
    t.is(text, after);
    t.true((JSON.parse(text) as { 'registry-mirrors': string[] })['registry-mirrors'].some((mirror) => mirror.startsWith(MIRROR)));
    t.is(addMirror(text, PATH, MIRROR), text, 'a second time changes nothing');
  });
}

for (const [title, text] of [
  ['a comment', '{ // x\n}'],
  ['a list', '[]'],
  ['half a document', '{"a":'],
  ['mirrors that are no list', '{"registry-mirrors": "x"}'],
] as const) {
  test(`refuses a daemon.json with ${title}`, (t) => {
    t.is(errorCode(t.throws(() => addMirror(text, PATH, MIRROR), { message: /daemon\.json.*: expected/ })), 'config-invalid');
  });
}

test('what dockerd asks no mirror for is said', async (t) => {
  const { notes } = await docker.plan(hostFiles({}), target({ registries: [PRIVATE, HUB, QUAY] }), '/etc');
  t.deepEqual(notes, [
    'dockerd asks mirrors for images of docker.io only: pull those of registry.example:5000, quay.io as 127.0.0.1:5050/NAME, 127.0.0.1:5050/quay.io/NAME',
  ]);
});

test("without Docker Hub there is nothing to set up, nor where it is not the origin's", async (t) => {
  await t.throwsAsync(docker.plan(hostFiles({}), target({ registries: [PRIVATE] }), '/etc'), {
    message: /does not serve docker\.io: pull others as 127\.0\.0\.1:5050\/NAME/,
  });
  await t.throwsAsync(docker.plan(hostFiles({}), target({ registries: [{ ...HUB, path: 'docker.io' }] }), '/etc'), {
    message: /127\.0\.0\.1:5050\/docker\.io\/library\/NAME/,
  });
});

for (const [title, cmdline, isRefused] of [
  ['a mirror as a flag', '/usr/bin/dockerd\0-H\0fd://\0--registry-mirror=https://m.example\0', true],
  ['a mirror as two words', 'dockerd\0--registry-mirror\0https://m.example\0', true],
  ['other flags', '/usr/bin/dockerd\0-H\0fd://\0', false],
  ['another program that has its old process id', '/bin/x\0--registry-mirror=https://m.example\0', false],
] as const) {
  test(`a running dockerd with ${title} is ${isRefused ? 'refused, since it would not start again' : 'set up'}`, async (t) => {
    const planned = docker.plan(hostFiles({ '/run/docker.pid': '812\n', '/proc/812/cmdline': cmdline }), target(), '/etc');
    if (isRefused) await t.throwsAsync(planned, { message: /--registry-mirror on its command line/ });
    else t.is((await planned).files.length, 1);
  });
}
