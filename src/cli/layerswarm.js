#!/usr/bin/env node
// Plain JavaScript, so that an older Node gets as far as the check. npm links the same file in a checkout, where the program is
// TypeScript, and in the published package, where only the compiled program is.
import { existsSync } from 'node:fs';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 12)) {
  process.stderr.write(`layerswarm: needs Node 24.12 or newer, and this is ${process.versions.node} (${process.execPath}): start it as "npx layerswarm", which brings its own Node along\n`);
  process.exitCode = 2;
} else {
  const source = new URL('main.ts', import.meta.url);
  await import((existsSync(source) ? source : new URL('../../dist/cli/main.js', import.meta.url)).href);
}
