#!/usr/bin/env node
// Nothing is imported statically here: an older Node must get as far as the check.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 12)) {
  process.stderr.write(`layerswarm: needs Node 24.12 or newer, and this is ${process.versions.node} (${process.execPath}): start it as "npx layerswarm", which brings its own Node along\n`);
  process.exitCode = 2;
} else {
  process.exitCode = await (await import('./program.ts')).run(process.argv.slice(2));
}
