import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { ReceiptBook } from '../../../../src/agent/pull/receipt-book.ts';
import type { Receipt } from '../../../../src/status/receipt-document.ts';
import { receiptSample } from '../../../support/status-sample.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const receipt = (index: number, changes: Partial<Receipt> = {}): Receipt => ({
  ...receiptSample,
  id: String(index),
  seconds: 1,
  finishedAt: new Date(index * 1000).toISOString(),
  ...changes,
});

test('receipts outlast a restart, a crash in the middle of one, and a damaged line', async (t) => {
  const data = tempDir(t);
  const warnings: string[] = [];
  const open = (): Promise<ReceiptBook> => ReceiptBook.open({ data, onWarning: (line) => warnings.push(line) });
  const book = await open();
  book.add(receipt(1));
  book.add(receipt(2, { result: 'failed', error: 'x' }));
  await book.close();
  appendFileSync(join(data, 'receipts.jsonl'), '{"id":"3","ref');
  const again = await open();
  again.add(receipt(4));
  await again.close();
  const third = await open();
  t.deepEqual(
    third.list().map(({ id }) => id),
    ['4', '2', '1'],
  );
  t.deepEqual(third.list()[2], receipt(1));
  t.deepEqual(warnings, []);
});

test('the last are kept, with the slowest of each image, in a file that does not grow for ever', async (t) => {
  const data = tempDir(t);
  const book = await ReceiptBook.open({ data, onWarning: (line) => t.fail(line) });
  book.add(receipt(0, { seconds: 99 }));
  for (let index = 1; index <= 1000; index++) book.add(receipt(index, { reference: `r/other:${index % 150}` }));
  await book.close();
  const kept = book.list();
  t.is(kept[0]!.id, '1000');
  t.true(kept.length <= 300);
  const lines = readFileSync(join(data, 'receipts.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  t.true(lines.length <= 500, String(lines.length));
  const again = await ReceiptBook.open({ data, onWarning: (line) => t.fail(line) });
  t.is(again.list()[0]!.id, '1000');
});

test('the slowest of an image stays beside the last ones', async (t) => {
  const book = await ReceiptBook.open({ data: tempDir(t), onWarning: (line) => t.fail(line) });
  book.add(receipt(0, { seconds: 99 }));
  for (let index = 1; index <= 250; index++) book.add(receipt(index));
  t.is(book.list().length, 201);
  t.is(book.list().at(-1)!.id, '0');
  await book.close();
});
