import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseXml } from '#local/s3/xml.ts';

const MALFORMED = { name: 'S3Error' };

test('elements, texts, entities, comments and declarations are read as S3 reads them', () => {
  const { name, children } = parseXml('<?xml version="1.0"?><!-- > --><a x="1"><b>1 &lt; 2 &#x41;</b><c/></a>');
  assert.equal(name, 'a');
  assert.deepEqual(
    children.map((child) => [child.name, child.text]),
    [
      ['b', '1 < 2 A'],
      ['c', ''],
    ],
  );
});

for (const [what, xml] of [
  ['a character beyond the last one', '<a>&#x110000;</a>'],
  ['a character whose number is none', '<a>&#X110000;</a>'],
  ['a tag without an end', '<a><b'],
  ['a tag without a name', '<a>< ></a>'],
  ['nesting without end', '<a>'.repeat(100)],
] as const) {
  test(`${what} is MalformedXML`, () => {
    assert.throws(() => parseXml(xml), MALFORMED);
  });
}

test('a megabyte of openings that never close is refused at once', () => {
  for (const opening of ['<?', '<!--', '<a ', '<']) {
    const began = performance.now();
    assert.throws(() => parseXml(`<a>${opening.repeat(250_000)}`), MALFORMED);
    assert.ok(performance.now() - began < 1_000, opening);
  }
});
