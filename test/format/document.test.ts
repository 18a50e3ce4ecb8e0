import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import * as z from 'zod/mini';
import { documentHead, encodeDocument, HEAD, parseDocument } from '#lib/format/document.ts';
import { DamagedObject, UnsupportedFormat } from '#lib/format/failures.ts';

const note = z.object({ ...documentHead, text: z.string() });
const stored = encodeDocument({ ...HEAD, requires: [], text: 'grün' });

test('a document is read back as it was written', () => {
  assert.deepEqual(parseDocument(note, stored, 'note'), { version: 1, requires: [], text: 'grün' });
});

test('the digest at the end is the SHA-256 of everything before it', () => {
  const text = stored.toString();
  const end = text.lastIndexOf(',"digest":"');
  const sha256 = createHash('sha256').update(text.slice(0, end)).digest('hex');
  assert.equal(text.slice(end), `,"digest":"${sha256}"}\n`);
});

test('a change of any byte and any cut of a document is noticed', () => {
  for (let at = 0; at < stored.length; at++) {
    for (const bit of [1, 4, 0x20, 0x80]) {
      const flipped = Buffer.from(stored);
      flipped[at]! ^= bit;
      assert.throws(() => parseDocument(note, flipped, 'note'), DamagedObject, `byte ${at}, bit ${bit}`);
    }
    assert.throws(() => parseDocument(note, stored.subarray(0, at), 'note'), DamagedObject, `cut to ${at}`);
  }
  assert.throws(() => parseDocument(note, Buffer.concat([stored, Buffer.from(' ')]), 'note'), DamagedObject);
});

test('invariant 27, forward compatibility: unknown fields are ignored, unknown required features refused', () => {
  const newer = encodeDocument({ ...HEAD, requires: [], text: 'x', colour: 'blue' });
  assert.equal(parseDocument(note, newer, 'note').text, 'x');
  const needy = encodeDocument({ ...HEAD, requires: ['foreign-packs'], text: 'x' });
  assert.throws(() => parseDocument(note, needy, 'note'), { name: 'UnsupportedFormat', message: /foreign-packs/ });
  const next = encodeDocument({ version: 2, requires: [], text: 'x' });
  assert.throws(() => parseDocument(note, next, 'note'), UnsupportedFormat);
});

test('a document of another kind is damaged, not half understood', () => {
  assert.throws(() => parseDocument(note, encodeDocument({ ...HEAD, requires: [] }), 'note'), DamagedObject);
  assert.throws(() => parseDocument(note, Buffer.from('no JSON'), 'note'), DamagedObject);
});
