import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readOvaArchive, writeOvaArchive } from '#lib/restore/ova-archive.ts';
import { memberText, parseValueTree, setMemberText, writeValueTree } from '#lib/xapi/value-tree.ts';

test('tar reads the archive that is written, and the archive that tar writes is read', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ova-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const document = `<value>ä & ${'x'.repeat(600)}</value>`;
  writeFileSync(join(folder, 'ours.tar'), writeOvaArchive(document));
  execFileSync('tar', ['-xf', 'ours.tar'], { cwd: folder });
  assert.equal(readFileSync(join(folder, 'ova.xml'), 'utf8'), document);
  execFileSync('tar', ['-cf', 'theirs.tar', '--format=ustar', 'ova.xml'], { cwd: folder });
  assert.equal(readOvaArchive(readFileSync(join(folder, 'theirs.tar'))), document);
});

test('an archive that is cut short or holds another file is damage', () => {
  const whole = writeOvaArchive('<value>text</value>');
  const other = Buffer.from(whole);
  other.write('else.xml', 0);
  for (const archive of [whole.subarray(0, 520), other, Buffer.alloc(0), Buffer.from('<html>500</html>')]) {
    assert.throws(() => readOvaArchive(archive), { name: 'DamagedObject' });
  }
});

test('a document is written as it was read, but for what was changed', () => {
  const document =
    '<value><struct><member><name>a &amp; b</name><value>1 &lt; 2</value></member>' +
    '<member><name>when</name><value><dateTime.iso8601>20260101T00:00:00Z</dateTime.iso8601></value></member>' +
    '<member><name>n</name><value><i4>7</i4></value></member><member><name>none</name><value/></member></struct></value>';
  const tree = parseValueTree(`<?xml version="1.0"?>\n${document}`);
  assert.equal(writeValueTree(tree), document.replace('<value/>', '<value></value>'));
  assert.deepEqual(
    ['a & b', 'n', 'none', 'absent'].map((name) => memberText(tree, name)),
    ['1 < 2', '7', '', ''],
  );
  setMemberText(tree, 'a & b', '<new>');
  setMemberText(tree, 'more', '&');
  const again = parseValueTree(writeValueTree(tree));
  assert.deepEqual(
    ['a & b', 'more', 'when'].map((name) => memberText(again, name)),
    ['<new>', '&', '20260101T00:00:00Z'],
  );
});

test('text that is no well-formed document is refused', () => {
  for (const text of ['', 'text', '<value>', '<a></b>', '<a/><b/>', '</a>', '<a>< /a>', `${'<a>'.repeat(80)}`]) {
    assert.throws(() => parseValueTree(text), { name: 'UnexpectedReply' }, text);
  }
});
