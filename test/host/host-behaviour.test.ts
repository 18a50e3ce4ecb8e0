import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { ERROR_TABLE } from '#lib/xapi/error-table.ts';
import { REACTIONS, wordsOf } from '../backup/reactions.ts';

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

const errorRows = [...text.matchAll(/^\| `([A-Z0-9_]+)` *\|(.*)\|$/gm)].map(([, code = '', columns = '']) => {
  const [failure = '', reaction = '', runs = ''] = columns.split('|').map((column) => column.trim());
  return { code, failure, reaction, runs };
});

test('the table of errors says of every code that the client knows what the client does', () => {
  const known = [...ERROR_TABLE].map(([code, { failure: Refusal, reaction }]) => {
    return [code, new Refusal('', { code, reaction }).name, reaction];
  });
  const said = errorRows.map(({ code, failure, reaction }) => [code, failure, reaction]);
  assert.deepEqual(said.toSorted(), known.toSorted());
});

test('every code in the table of errors names a test, and the runs it names are those that are played', () => {
  for (const { code, runs } of errorRows) {
    const played = REACTIONS.filter(([, , ...codes]) => codes.includes(code));
    const words = played.map(([method, outcome]) => `${method}: ${wordsOf(outcome)}`);
    if (runs.startsWith('`test/')) assert.deepEqual(words, [], `${code} has runs that its row does not name`);
    else assert.deepEqual(runs.split('; ').toSorted(), words.toSorted(), code);
  }
});
