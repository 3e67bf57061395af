import test from 'ava';
import { KEEPABLE, literalPattern, patternsBelow, patternsToRegExp, stripPatterns } from '../../../../src/convert/pack/strip.ts';

const out = patternsToRegExp(stripPatterns(new Set()));
for (const path of [
  './boot/vmlinuz-6.1.0',
  './boot/initrd.img-6.1.0',
  './usr/lib/modules/6.1.0',
  './lib/modules/6.1.0/kernel/x.ko',
  './lib/firmware/a',
  './etc/ssh/ssh_host_rsa_key',
  './etc/ssh/ssh_host_rsa_key.pub',
  './etc/machine-id',
  './var/lib/cloud/instance',
  './var/lib/apt/lists/x',
  './var/cache/apt/archives/a.deb',
]) {
  test(`${path} is left out by default, and kept when everything is kept`, (t) => {
    t.regex(path, out);
    t.notRegex(path, patternsToRegExp(stripPatterns(new Set(KEEPABLE))));
  });
}
for (const path of [
  './boot',
  './usr/lib/modules',
  './etc/ssh/sshd_config',
  './etc/machine-info',
  './home/a/boot/vmlinuz',
  './var/lib/cloudy',
  './usr/lib/modules-load.d',
]) {
  test(`${path} stays`, (t) => {
    t.notRegex(path, out);
  });
}

test('patterns are moved to a tree of its own', (t) => {
  t.deepEqual(patternsBelow(['./usr/lib/modules/*', './boot/x', './usrlocal'], '/usr'), ['./lib/modules/*']);
  t.deepEqual(patternsBelow(['./a'], '/'), ['./a']);
});

test('a literal pattern matches its path alone', (t) => {
  const path = './a*b?[c]\\d';
  const pattern = patternsToRegExp([literalPattern(path)]);
  t.regex(path, pattern);
  t.regex(`${path}/below`, pattern);
  t.notRegex('./aXb?[c]\\d', pattern);
  t.is(literalPattern('./new\nline'), './new?line');
});
