import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

const ROOT = new URL('../../', import.meta.url);

test('every test that the threat model names exists', async () => {
  const page = await readFile(new URL('docs/design.md', ROOT), 'utf8');
  const [, section = ''] = /^## Threat model$([\s\S]*?)^## /m.exec(page) ?? [];
  const rows = section.split('\n').filter((line) => /^\| (?!who \|)[^-]/.test(line));
  assert.ok(rows.length >= 15, `${rows.length} rows`);
  for (const row of rows) {
    const [, file = '', title = ''] = /`(test\/[\w/.-]+\.test\.ts)`: (.+?) *\|$/.exec(row) ?? [];
    assert.notEqual(title, '', `no test in: ${row}`);
    const source = (await readFile(new URL(file, ROOT), 'utf8')).replaceAll("\\'", "'");
    assert.ok(source.includes(title), `${file} has no test "${title}"`);
  }
});
