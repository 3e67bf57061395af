import test from 'ava';
import { checkComplete } from '../../../src/convert/convert.ts';
import { LayerswarmError } from '../../../src/errors.ts';

test('a layer that has less, or more, than the file system is refused', (t) => {
  const expected = { entries: 3, bytes: 100 };
  t.notThrows(() => {
    checkComplete(expected, { ...expected });
  });
  for (const packed of [
    { entries: 2, bytes: 100 },
    { entries: 3, bytes: 99 },
    { entries: 4, bytes: 100 },
  ]) {
    const error = t.throws(
      () => {
        checkComplete(packed, expected);
      },
      { instanceOf: LayerswarmError, message: /nothing was kept of it/ },
    );
    t.is(error?.code, 'verification-failed');
  }
});
