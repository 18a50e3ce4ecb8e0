import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { test } from 'node:test';

const ROOT = new URL('../../', import.meta.url);

async function rowsOfThreatModel(): Promise<string[]> {
  const page = await readFile(new URL('docs/design.md', ROOT), 'utf8');
  const [, section = ''] = /^## Threat model$([\s\S]*?)^## /m.exec(page) ?? [];
  return section.split('\n').filter((line) => /^\| (?!who \|)[^-]/.test(line));
}

test('every function has a role that stands in the threat model', async () => {
  const [, ...columns] = (await rowsOfThreatModel()).flatMap((row) => row.split('|').slice(0, 2));
  const who = columns.join('\n');
  let functions = 0;
  for await (const file of glob('functions/*.ts', { cwd: ROOT })) {
    const source = await readFile(new URL(file, ROOT), 'utf8');
    if (!source.includes('= stepHandler(contract')) continue;
    functions += 1;
    assert.ok(who.includes(`\`${basename(file, '.ts')}\``), `${file} is in no row`);
  }
  assert.ok(functions >= 20, `${functions} functions`);
});

test('every test that the threat model names exists', async () => {
  const rows = await rowsOfThreatModel();
  assert.ok(rows.length >= 25, `${rows.length} rows`);
  for (const row of rows) {
    const [, file = '', title = ''] = /`(test\/[\w/.-]+\.test\.ts)`: (.+?) *\|$/.exec(row) ?? [];
    assert.notEqual(title, '', `no test in: ${row}`);
    const source = (await readFile(new URL(file, ROOT), 'utf8')).replaceAll("\\'", "'");
    assert.ok(source.includes(title), `${file} has no test "${title}"`);
  }
});
