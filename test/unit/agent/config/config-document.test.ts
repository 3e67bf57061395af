import { readFile } from 'node:fs/promises';
import test from 'ava';
import { parse } from 'yaml';
import { configExample, configJsonSchema } from '../../../../src/agent/config/config-document.ts';
import { settings } from '../../../../src/agent/config/settings.ts';
import { loadConfig } from '../../../../src/agent/config/config.ts';

const folder = new URL('../../../../config/', import.meta.url);
const example = new URL('layerswarm.yaml', folder);

test('config/layerswarm.yaml is what the code makes ("npm run config")', async (t) => {
  t.is(await readFile(example, 'utf8'), configExample());
});

test('config/schema.json is what the code makes ("npm run config")', async (t) => {
  t.is(await readFile(new URL('schema.json', folder), 'utf8'), configJsonSchema());
});

test('the example configures what the defaults are', async (t) => {
  t.deepEqual(
    await loadConfig({ env: {}, file: example.pathname, uid: 0 }),
    await loadConfig({ env: { LAYERSWARM_CONFIG: '/dev/null' }, uid: 0 }),
  );
});

test('every setting is in the example and in the schema, with a description', (t) => {
  const text = configExample();
  const schema = JSON.parse(configJsonSchema()) as {
    properties: Record<string, { properties?: Record<string, { description?: string }>; description?: string }>;
  };
  for (const { path, description } of settings) {
    t.true(description.length > 10, path.join('.'));
    t.regex(text, new RegExp(`^ *(# )?${path.at(-1)}:`, 'm'));
    const section = schema.properties[path[0]!];
    t.is((path.length === 1 ? section : section?.properties?.[path[1]!])?.description, description);
  }
  t.notThrows(() => parse(text));
});
