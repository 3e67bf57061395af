import { readdirSync, rmSync } from 'node:fs';
import http from 'node:http';
import { join, resolve } from 'node:path';
import { rolldown, type Plugin } from 'rolldown';

// Puts each part of the program that is started by itself, with all that it imports, into few files of the compiled package, in place of what
// tsc made of it: an agent loads in half of the CPU time. The other modules stay as they are, for those who use the package as a library.
//   node config/release/bundle.ts DIST

const STARTED = [
  'cli/main',
  'swarm/thread/bulk-worker',
  'convert/pack/pack-worker',
  'convert/reader/tree-reader',
  'convert/boot/live-guard',
];
/** Optional native parts of packages, which find their files by their place and are done without where they are not. */
const EXTERNAL = ['cpu-features', 'ssh2'];
/**
 * Whoever imports `node:http` as an ES module makes Node read all that it exports, `WebSocket` with it, for which it loads undici: 60 ms of CPU
 * in each command and agent. What is taken from the module directly does not.
 */
const httpWithoutUndici: Plugin = {
  name: 'http-without-undici',
  resolveId: (id, _importer, { kind }) => (id === 'node:http' && kind === 'import-statement' ? '\0http' : undefined),
  load: (id) => {
    if (id !== '\0http') return undefined;
    const names = Object.entries(Object.getOwnPropertyDescriptors(http)).flatMap(([name, { value }]) => (value === undefined ? [] : name));
    return `const http = process.getBuiltinModule('node:http');\nexport default http;\nexport const { ${names.join(', ')} } = http;\n`;
  },
};

/**
 * Of undici what the program uses, by the files that have it: its index loads all of it, fetch, cookies and WebSocket too, and those make Node
 * load the undici of its own beside it. A name that is used and not here ends the build.
 */
const undiciInParts: Plugin = {
  name: 'undici-in-parts',
  resolveId: (id) => (id === 'undici' ? '\0undici' : undefined),
  load: (id) =>
    id === '\0undici'
      ? `import Dispatcher from 'undici/lib/dispatcher/dispatcher.js';
import api from 'undici/lib/api/index.js';
export { default as Agent } from 'undici/lib/dispatcher/agent.js';
export { default as EnvHttpProxyAgent } from 'undici/lib/dispatcher/env-http-proxy-agent.js';
export { default as buildConnector } from 'undici/lib/core/connect.js';
Object.assign(Dispatcher.prototype, api);
`
      : undefined,
};

const root = resolve(import.meta.dirname, '../..');
const [target] = process.argv.slice(2);
if (target === undefined) throw new Error('expected the folder that tsc wrote to');
rmSync(join(target, 'chunks'), { recursive: true, force: true });
const bundle = await rolldown({
  cwd: root,
  input: Object.fromEntries(STARTED.map((name) => [name, join(root, 'src', `${name}.ts`)])),
  platform: 'node',
  external: EXTERNAL,
  plugins: [httpWithoutUndici, undiciInParts],
  // The others of a package may look for their parts as they run, where the bundle has none.
  resolve: { mainFields: ['module', 'main'] },
  logLevel: 'warn',
});
await bundle.write({
  dir: target,
  format: 'esm',
  chunkFileNames: 'chunks/[name]-[hash].js',
  comments: { legal: true, annotation: false, jsdoc: false },
});
await bundle.close();
// Nobody imports the command line.
for (const name of readdirSync(join(target, 'cli'))) if (name !== 'main.js') rmSync(join(target, 'cli', name), { recursive: true });
