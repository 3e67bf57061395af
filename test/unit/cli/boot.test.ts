import test from 'ava';
import { startFakeEngine } from '../../support/fake-engine.ts';
import { startAgent } from '../../support/layerswarm.ts';
import { pushImage } from '../../support/registry-content.ts';

test('boot has the agent bring an image that the engine lacks, and says what the engine says when it refuses', async (t) => {
  const agent = await startAgent(t, { origin: 'embedded' });
  const image = await pushImage({ url: agent.registry }, 'machines/debian', '12');
  let isLoaded = false;
  const { host, requests } = await startFakeEngine(t, ({ path }) => {
    if (path === '/info') return { json: { CgroupVersion: '2' } };
    if (path === '/images/load') {
      isLoaded = true;
      return { lines: [] };
    }
    if (path.startsWith('/images/') && path.endsWith('/json') && isLoaded) return { json: { Id: image.digest.toString(), Size: 1 } };
    if (path === '/containers/create') return { status: 500, json: { message: 'no room for another one' } };
    return undefined;
  });
  const { code, stderr } = await agent.cli(['boot', 'machines/debian:12'], { env: { DOCKER_HOST: host } });
  t.is(code, 1, stderr);
  t.regex(stderr, /machines\/debian:12: the agent brought it into the Docker Engine as \S+\/machines\/debian:12/);
  t.regex(stderr, /no room for another one$/m);
  t.false(
    requests.some(({ path }) => path === '/images/create'),
    'the engine pulled nothing',
  );

  isLoaded = false;
  const other = await agent.cli(['boot', 'elsewhere.example/machines/debian:12'], { env: { DOCKER_HOST: host } });
  t.is(other.code, 3, other.stderr);
  t.regex(other.stderr, /neither a disk image nor an image that the Docker Engine has or can pull: .*no such thing/);
});
