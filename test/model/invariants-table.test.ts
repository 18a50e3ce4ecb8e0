import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { INVARIANTS } from './invariants.ts';

const ROOT = new URL('../../', import.meta.url);
const rows = (await readFile(new URL('docs/invariants.md', ROOT), 'utf8'))
  .split('\n')
  .map((line) => /^\| (\d+) \| (.*) \| (.*) \|$/.exec(line))
  .filter((row) => row !== null)
  .map(([, number, , shown = '']) => ({ number: Number(number), shown }));

test('the table of invariants has all thirty, each with what shows it', () => {
  const numbers = [...new Set(rows.map(({ number }) => number))];
  assert.deepEqual(
    numbers,
    Array.from({ length: 30 }, (_, index) => index + 1),
  );
});

test('what the table says of the model is what the model puts to the test', () => {
  const inTable = rows.filter(({ shown }) => shown.startsWith('model')).map(({ number }) => number);
  const inModel = Object.keys(INVARIANTS).map(Number);
  assert.deepEqual(
    inTable,
    inModel.filter((number) => number !== 0),
  );
});

test('every test that the table of invariants names exists', async () => {
  const named = rows.flatMap(({ shown }) => [...shown.matchAll(/`(test\/[\w/.-]+)`: (.+)$/g)]);
  assert.ok(named.length > 12, `only ${named.length} tests are named`);
  for (const [, file = '', title = ''] of named) {
    const source = await readFile(new URL(file, ROOT), 'utf8');
    assert.ok(source.includes(title), `${file} has no test "${title}"`);
  }
});
