import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnexpectedReply } from '#lib/xapi/failures.ts';
import { decodeReply } from '#lib/xapi/xmlrpc-codec.ts';

const decode = (...pieces: readonly string[]) =>
  decodeReply(
    pieces.map((piece) => Buffer.from(piece)),
    [],
  );

for (const [what, xml] of [
  ['a fault without a value', '<methodResponse><fault></fault></methodResponse>'],
  ['a tag that does not exist', '<methodResponse><params><param><valu:e>x</valu:e></param></params></methodResponse>'],
  ['an end that is missing', '<methodResponse><params><param><value>x'],
  ['nothing at all', ''],
  [
    'a declared entity',
    '<!DOCTYPE a [<!ENTITY b "c">]><methodResponse><params><param><value><int>&b;</int></value></param></params></methodResponse>',
  ],
] as const) {
  test(`a reply with ${what} is an UnexpectedReply and does not end the process`, async () => {
    await assert.rejects(decode(xml), UnexpectedReply);
  });
}

test('an entity that a reply declares is not expanded', async () => {
  const xml =
    '<!DOCTYPE a [<!ENTITY b "expanded">]><methodResponse><params><param><value>&b;</value></param></params></methodResponse>';
  assert.doesNotMatch(String(await decode(xml)), /expanded/);
});

test('a reply that nests without end is refused before it has filled the memory', async () => {
  const before = process.memoryUsage().heapUsed;
  await assert.rejects(decode('<methodResponse>', '<value><array><data>'.repeat(1_000_000)), /nests deeper than 64/);
  assert.ok(process.memoryUsage().heapUsed - before < 64 * 1_048_576);
});

test('a reply of nothing but empty records is refused at a million of them', async () => {
  await assert.rejects(
    decode('<methodResponse><params><param>', '<struct/>'.repeat(1_000_001)),
    /more than 1000000 lists and records/,
  );
});
