import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { assert, nat, pre, property, string } from 'fast-check';
import { CharterKey, OperatorKey } from '../../../../src/swarm/charter/operator-key.ts';
import { MAX_CHARTER_BYTES, signCharter, verifyCharter } from '../../../../src/swarm/charter/signed-charter.ts';
import { tempDir } from '../../../support/temp-dir.ts';

test('a key is kept for its owner, read again, and never overwritten', async (t) => {
  const file = join(tempDir(t, 'op'), 'operator.key');
  const made = await OperatorKey.make(file, 'prod');
  t.is(statSync(file).mode & 0o777, 0o600);
  t.regex(made.public.text, /^prod:[A-Za-z0-9_-]{43}$/);
  t.is((await OperatorKey.read(file)).public.text, made.public.text);
  await t.throwsAsync(OperatorKey.make(file, 'prod'), { code: 'usage', message: /never overwritten/ });
  await t.throwsAsync(OperatorKey.make(join(tempDir(t), 'k'), 'a b'), { code: 'usage' });
});

test('what is no key is refused, and not repeated', async (t) => {
  const file = join(tempDir(t, 'op'), 'operator.key');
  for (const content of ['', 'correct horse battery', 'layerswarm-operator-key-1 prod\nAAAA\n', 'layerswarm-operator-key-1 a/b\n']) {
    writeFileSync(file, content);
    const error = await t.throwsAsync(OperatorKey.read(file), { code: 'key-invalid' });
    t.false(content !== '' && error.message.includes(content));
  }
  for (const text of ['', 'prod', 'prod:AAAA', `a b:${'A'.repeat(43)}`, `prod:${'A'.repeat(44)}`])
    t.throws(() => CharterKey.parse(text), { code: 'key-invalid' });
});

test('what was signed is verified, and whatever is changed of it is not', async (t) => {
  const folder = tempDir(t, 'op');
  const key = await OperatorKey.make(join(folder, 'a'), 'prod');
  const content = 'origin: https://a.example\n# ours\nexclude: [secret/*]\n';
  const signed = signCharter(key, 7, content);
  t.deepEqual(verifyCharter(signed.text, key.public), { swarm: 'prod', serial: 7, content, text: signed.text });
  const refused = (text: string): void => {
    t.throws(() => verifyCharter(text, key.public), { code: 'verification-failed' }, text);
  };
  for (const text of [
    '',
    content,
    signed.text.replace(' 7 ', ' 8 '),
    signed.text.replace('a.example', 'b.example'),
    `${signed.text}\n`,
    signed.text.replace('\n', '\r\n'),
    signed.text.replace(' 7 ', ' 07 '),
  ])
    refused(text);
  assert(
    property(nat(signed.text.length - 1), string({ minLength: 1, maxLength: 1 }), (at, char) => {
      pre(signed.text[at] !== char);
      try {
        verifyCharter(signed.text.slice(0, at) + char + signed.text.slice(at + 1), key.public);
        return false;
      } catch {
        return true;
      }
    }),
  );
  const other = await OperatorKey.make(join(folder, 'b'), 'prod');
  t.throws(() => verifyCharter(signed.text, other.public), { code: 'verification-failed', message: /not signed by the operator of prod/ });
  // the same key, for another swarm
  writeFileSync(join(folder, 'c'), readFileSync(join(folder, 'a'), 'utf8').replace('prod', 'test'));
  const elsewhere = await OperatorKey.read(join(folder, 'c'));
  t.throws(() => verifyCharter(signed.text, elsewhere.public), {
    code: 'verification-failed',
    message: /expected a charter of the swarm test, received one of prod/,
  });
  t.throws(() => verifyCharter(signed.text.replace('prod', 'test'), elsewhere.public), { code: 'verification-failed' });
});

test('a huge one is neither signed nor read', async (t) => {
  const key = await OperatorKey.make(join(tempDir(t, 'op'), 'a'), 'prod');
  t.throws(() => signCharter(key, 1, '#'.repeat(MAX_CHARTER_BYTES)), { code: 'too-large' });
  t.throws(() => verifyCharter(`${signCharter(key, 1, '').text}${'#'.repeat(MAX_CHARTER_BYTES)}`, key.public), { code: 'too-large' });
  for (const serial of [0, -1, 1.5, 1e15]) t.throws(() => signCharter(key, serial, ''), { code: 'usage' });
});
