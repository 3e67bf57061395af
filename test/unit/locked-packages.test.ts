import test from 'ava';
import { readFileSync } from 'node:fs';

interface LockedPackage {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly hasInstallScript?: boolean;
}

const lock = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8')) as {
  packages: Record<string, LockedPackage>;
};
const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
  allowScripts: Record<string, boolean>;
  scripts: Record<string, string>;
};

test('no package runs a script when it is installed: each that has one is refused it, and nothing needs it', (t) => {
  const withScript = Object.entries(lock.packages)
    .filter(([, { hasInstallScript }]) => hasInstallScript === true)
    .map(([path]) => path.replace(/^.*node_modules\//, ''));
  t.deepEqual(withScript.sort(), Object.keys(manifest.allowScripts).sort());
  t.true(Object.values(manifest.allowScripts).every((allowed) => !allowed));
  for (const script of ['preinstall', 'install', 'postinstall', 'prepare']) t.false(script in manifest.scripts, script);
});

test('every package is locked to one version and its bytes, and comes from wherever the registry is', (t) => {
  for (const [name, version] of Object.entries({
    ...manifest.dependencies,
    ...manifest.devDependencies,
    ...manifest.optionalDependencies,
  })) {
    t.regex(version, /^\d+\.\d+\.\d+$/, name);
    t.is(lock.packages[`node_modules/${name}`]?.version, version, name);
  }
  for (const [path, { integrity, resolved }] of Object.entries(lock.packages)) {
    if (path === '') continue;
    t.regex(integrity ?? '', /^sha512-/, path);
    t.is(resolved, undefined, path);
  }
});
