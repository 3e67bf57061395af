import { Readable } from 'node:stream';
import test from 'ava';
import { DockerEngine } from '../../../src/docker/engine.ts';
import { errorCode, LayerswarmError } from '../../../src/errors.ts';
import { type EngineAnswer, type EngineRequest, startFakeEngine } from '../../support/fake-engine.ts';

const ID = `sha256:${'a'.repeat(64)}`;
const INSPECTED = {
  Id: ID,
  RepoDigests: [`registry.example/team/app@sha256:${'b'.repeat(64)}`],
  RootFS: { Type: 'layers', Layers: [ID, ID] },
  Size: 1234,
};

for (const [host, problem] of [
  ['ssh://host', 'usage'],
  ['nonsense', 'usage'],
  ['unix://', 'usage'],
  ['unix:///run/docker.sock', undefined],
  ['tcp://host:2375', undefined],
  ['http://host', undefined],
] as const) {
  test(`DOCKER_HOST ${host} is ${problem === undefined ? 'taken' : 'refused'}`, (t) => {
    if (problem === undefined) t.is(DockerEngine.at(host).isLocal, host.startsWith('unix:'));
    else t.throws(() => DockerEngine.at(host), { code: problem, message: /DOCKER_HOST/ });
  });
}

test('an image is inspected by its whole name', async (t) => {
  const { host, requests } = await startFakeEngine(t, ({ path }) =>
    path === '/images/registry.example:5000/team/app:1/json' ? { json: INSPECTED } : undefined,
  );
  const engine = DockerEngine.at(host);
  t.deepEqual(await engine.inspect('registry.example:5000/team/app:1'), {
    id: ID,
    repoDigests: INSPECTED.RepoDigests,
    layers: 2,
    size: 1234,
    labels: {},
  });
  t.is(requests[0]?.method, 'GET');
  const error = await t.throwsAsync(engine.inspect('team/other'));
  t.is(errorCode(error), 'not-found');
  t.regex(error.message, /team\/other/);
});

test('what the engine says when it refuses is passed on, in one line', async (t) => {
  const { host } = await startFakeEngine(t, ({ path }) =>
    path === '/images/create'
      ? { status: 404, json: { message: 'pull access denied for team/other,\nrepository does not exist' } }
      : path === '/info'
        ? { status: 500, json: { message: 'driver failed' } }
        : undefined,
  );
  const engine = DockerEngine.at(host);
  await t.throwsAsync(engine.ensure('team/other:1'), {
    code: 'not-found',
    message: /does not have team\/other:1, nor can it pull that: pull access denied for team\/other, repository does not exist$/,
  });
  await t.throwsAsync(engine.mirrors(), { code: 'unavailable', message: /refused its mirrors: driver failed$/ });
});

test('what was only built has no registry digests', async (t) => {
  const { host } = await startFakeEngine(t, () => ({ json: { Id: ID, Size: 1 } }));
  t.deepEqual(await DockerEngine.at(host).inspect('built'), { id: ID, repoDigests: [], layers: 0, size: 1, labels: {} });
});

const pushing =
  (...lines: object[]) =>
  ({ method, path }: EngineRequest): EngineAnswer | undefined => {
    if (path === '/images/team/app:1/tag') return { status: 201, json: {} };
    if (path.endsWith('/push')) return { lines };
    return method === 'DELETE' ? { json: [] } : undefined;
  };

test('an image is pushed under a name that is taken away again', async (t) => {
  const { host, requests } = await startFakeEngine(
    t,
    pushing({ status: 'Preparing', id: 'abc' }, { status: 'Pushed', id: 'abc' }, { status: '1: digest: sha256:…' }),
  );
  const told: string[] = [];
  await DockerEngine.at(host).push(
    'team/app:1',
    { repository: '127.0.0.1:5099/team/app', tag: '1' },
    { onProgress: (line) => told.push(line) },
  );
  t.deepEqual(told, ['abc: Preparing', 'abc: Pushed', '1: digest: sha256:…']);
  const [tag, push, remove] = requests;
  t.deepEqual([tag!.method, tag!.query.get('repo'), tag!.query.get('tag')], ['POST', '127.0.0.1:5099/team/app', '1']);
  t.is(push!.path, '/images/127.0.0.1:5099/team/app:1/push');
  t.deepEqual([remove!.method, remove!.path, remove!.query.get('noprune')], ['DELETE', '/images/127.0.0.1:5099/team/app:1', 'true']);
});

test('a push that the engine gives up says why, and leaves no name either', async (t) => {
  const { host, requests } = await startFakeEngine(
    t,
    pushing({ status: 'Preparing', id: 'abc' }, { error: 'no space left on device', errorDetail: { message: 'no space left on device' } }),
  );
  const error = await t.throwsAsync(DockerEngine.at(host).push('team/app:1', { repository: '127.0.0.1:5099/team/app', tag: '1' }));
  t.is(errorCode(error), 'unavailable');
  t.regex(error.message, /no space left on device/);
  t.is(requests.at(-1)?.method, 'DELETE');
});

test('load says what the engine found wrong, and an archive that breaks off says so itself', async (t) => {
  const { host } = await startFakeEngine(t, ({ path }) =>
    path === '/images/load' ? { lines: [{ error: 'invalid tar header' }] } : undefined,
  );
  const engine = DockerEngine.at(host);
  t.regex((await t.throwsAsync(engine.load(Readable.from([Buffer.from('x')])))).message, /invalid tar header/);
  const broken = Readable.from(
    (async function* (): AsyncGenerator<Buffer> {
      yield Buffer.from('begun');
      throw new LayerswarmError('not-found', 'the blob is gone');
    })(),
    { objectMode: false },
  );
  await t.throwsAsync(engine.load(broken), { code: 'not-found', message: 'the blob is gone' });
});

test('save gives the archive as it comes', async (t) => {
  const archive = Buffer.alloc(300_000, 'tar');
  const { host } = await startFakeEngine(t, ({ path }) => (path === '/images/team/app:1/get' ? { bytes: archive } : undefined));
  const chunks: Buffer[] = [];
  for await (const chunk of await DockerEngine.at(host).save('team/app:1')) chunks.push(chunk);
  t.true(Buffer.concat(chunks).equals(archive));
  await t.throwsAsync(DockerEngine.at(host).save('team/other:1'), { code: 'not-found' });
});

test('an engine that is not there, refuses, or hangs is told apart', async (t) => {
  await t.throwsAsync(DockerEngine.at('unix:///nonexistent/docker.sock').inspect('x'), {
    code: 'unavailable',
    message: /does not answer \(ENOENT\)/,
  });
  const refusing = await startFakeEngine(t, () => ({ status: 500, json: { message: 'driver failed' } }));
  await t.throwsAsync(DockerEngine.at(refusing.host).inspect('x'), { code: 'unavailable', message: /driver failed|server error/ });
  const hanging = await startFakeEngine(t, () => ({ hang: true }));
  const stop = new AbortController();
  const asked = DockerEngine.at(hanging.host).inspect('x', stop.signal);
  stop.abort(new LayerswarmError('aborted', 'enough'));
  await t.throwsAsync(asked, { code: 'aborted' });
});
