import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { ERROR_TABLE } from '#lib/xapi/error-table.ts';

const ROOT = new URL('../../', import.meta.url);
const text = await readFile(new URL('docs/host-behaviour.md', ROOT), 'utf8');

test('every test that the table of host behaviour names exists', async () => {
  const named = [...text.matchAll(/`(test\/[\w/.-]+\.test\.ts)`: (.+?) *\|$/gm)];
  assert.ok(named.length > 40, `only ${named.length} tests are named`);
  for (const [, file = '', title = ''] of named) {
    const source = await readFile(new URL(file, ROOT), 'utf8');
    assert.ok(source.replaceAll("\\'", "'").includes(title.replace(/ …$/, '')), `${file} has no test "${title}"`);
  }
});

test('the table of errors has a row for every code that the client knows', () => {
  const rows = [...text.matchAll(/^\| `([A-Z0-9_]+)` *\|/gm)].map(([, code]) => code);
  assert.deepEqual(rows.toSorted(), [...ERROR_TABLE.keys()].toSorted());
});
