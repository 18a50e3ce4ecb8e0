import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { z } from 'zod/mini';
import { Secret } from '#lib/secret.ts';
import { CallNotSendable, UnexpectedReply } from '#lib/xapi/failures.ts';
import { integer, nothing, orNull, vdiRef } from '#lib/xapi/wire-types.ts';
import { decodeReply, decodeTaskResult, encodeCall, type XmlValue } from '#lib/xapi/xmlrpc-codec.ts';
import { array, bool, compactDate, double, i4, nil, parseCall, struct, success, untyped } from './fake-xml.ts';

const decode = async (xml: string): Promise<unknown> => {
  const reply = z.parse(z.object({ Value: z.unknown() }), await decodeReply([Buffer.from(success(xml))], []));
  return reply.Value;
};

test('every text that XML can carry arrives as it was sent, also where it looks like markup', () => {
  const texts = ['', ' ', '&<>"\'', ']]>', '<![CDATA[x]]>', '&amp;', 'é\u4e2d\u{1f600}', 'a\tb\nc\rd'];
  assert.deepEqual(parseCall(encodeCall('a.b', texts).toString()), { method: 'a.b', params: texts });
});

test('calls round-trip for any nesting of texts, booleans, lists and records', () => {
  const text = fc.string({ unit: 'grapheme-ascii' });
  const name = fc.stringMatching(/^[a-z_]{1,10}$/);
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 3 }, text, fc.boolean(), fc.array(tie('value')), fc.dictionary(name, tie('value'))),
  }));
  fc.assert(
    fc.property(fc.array(value), (params) => {
      const plain = JSON.parse(JSON.stringify(params)) as XmlValue[];
      assert.deepEqual(parseCall(encodeCall('a.b', plain).toString()).params, plain);
    }),
    { numRuns: 100 },
  );
});

test('a secret travels as its value', () => {
  assert.deepEqual(parseCall(encodeCall('a.b', [new Secret('p&w')]).toString()).params, ['p&w']);
});

test('a text with a control character or a torn emoji is refused without quoting it', () => {
  for (const text of ['hunter2\u0001', 'hunter2\ud800', 'hunter2\ufffe']) {
    const thrown = (() => {
      try {
        encodeCall('a.b', [{ x: [new Secret(text)] }]);
      } catch (error) {
        return error;
      }
      return null;
    })();
    assert.ok(thrown instanceof CallNotSendable);
    assert.doesNotMatch(inspect(thrown, { showHidden: true, depth: 10 }), /hunter2/);
  }
});

test('a call beyond the 300 KiB that a host reads, or nested without end, is refused', () => {
  assert.throws(() => encodeCall('a.b', ['x'.repeat(307_200)]), CallNotSendable);
  const cycle: XmlValue[] = [];
  cycle.push(cycle);
  assert.throws(() => encodeCall('a.b', cycle), CallNotSendable);
});

test('values are read as a host writes them', async () => {
  const cases: [string, unknown][] = [
    [untyped('text'), 'text'],
    [untyped(''), ''],
    [untyped(' kept  as is\n'), ' kept  as is\n'],
    [untyped('a & b < c > "d"'), 'a & b < c > "d"'],
    ['<value><string>typed</string></value>', 'typed'],
    ['<value><string/></value>', ''],
    [untyped(9_007_199_254_740_991), '9007199254740991'],
    [i4(42), 42],
    ['<value><i8>42</i8></value>', '42'],
    [bool(true), true],
    [bool(false), false],
    [double(0.25), 0.25],
    [nil, null],
    [compactDate('20261121T10:20:30Z'), new Date('2026-11-21T10:20:30Z')],
    [compactDate('2026-11-21T10:20:30Z'), new Date('2026-11-21T10:20:30Z')],
    [compactDate('19700101T00:00:00Z'), new Date(0)],
    [array([]), []],
    ['<value><array/></value>', []],
    [struct({}), {}],
    [struct({ a: array([untyped('x'), struct({ b: bool(true) })]), c: untyped('') }), { a: ['x', { b: true }], c: '' }],
  ];
  for (const [xml, value] of cases) assert.deepEqual(await decode(xml), value, xml);
});

test('a text survives being cut into chunks within a character', async () => {
  const body = Buffer.from(success(untyped('\u{1f600}\u{e9}&')));
  const chunks = Array.from(body, (byte) => Buffer.from([byte]));
  assert.deepEqual(await decodeReply(chunks, []), { Status: 'Success', Value: '\u{1f600}\u{e9}&' });
});

test('a result of a task is read in every form a host gives it', async () => {
  const cases: [string, unknown][] = [
    ['', ''],
    ['<value></value>', ''],
    ['<value/>', ''],
    ['<value>OpaqueRef:1</value>', 'OpaqueRef:1'],
    ['<value><string>OpaqueRef:1</string></value>', 'OpaqueRef:1'],
    ['<value>a &amp; b</value>', 'a & b'],
    ['<value><boolean>1</boolean></value>', true],
    ['<value><array><data><value>a</value></data></array></value>', ['a']],
    ['<?xml version="1.0"?><value>x</value>'.slice(21), 'x'],
    ['OpaqueRef:1', 'OpaqueRef:1'],
    ['\n<value>x</value>\n', 'x'],
  ];
  for (const [fragment, value] of cases) assert.deepEqual(await decodeTaskResult(fragment, []), value, fragment);
  await assert.rejects(decodeTaskResult('<value><nonsense>', []), UnexpectedReply);
});

test('the bitmap of a 2 TiB disk as a reply is read in reasonable time', { timeout: 5_000 }, async () => {
  const base64 = Buffer.alloc(4_177_920, 0xa5).toString('base64');
  const value = await decode(struct({ result: untyped(`<value>${base64}</value>`) }));
  const { result } = z.parse(z.object({ result: z.string() }), value);
  assert.equal(await decodeTaskResult(result, []), base64);
});

test('integers come as text and stay exact, or are refused', () => {
  assert.equal(z.parse(integer, '2190433320960'), 2_190_433_320_960);
  assert.equal(z.parse(integer, '-1'), -1);
  assert.equal(z.parse(integer, 7), 7);
  for (const wrong of ['', '1.5', '0x10', '9007199254740993', 'ten', null, true]) {
    assert.equal(z.safeParse(integer, wrong).success, false, String(wrong));
  }
});

test('the null reference and an empty text are null, and no reference of their own', () => {
  assert.equal(z.parse(orNull(vdiRef), 'OpaqueRef:NULL'), null);
  assert.equal(z.parse(orNull(vdiRef), ''), null);
  assert.equal(z.parse(orNull(vdiRef), 'OpaqueRef:1'), 'OpaqueRef:1');
  assert.equal(z.safeParse(vdiRef, 'OpaqueRef:NULL').success, false);
});

test('a call without a result answers an empty text or nil, and anything else is unexpected', () => {
  assert.equal(z.parse(nothing, ''), undefined);
  assert.equal(z.parse(nothing, null), undefined);
  assert.equal(z.safeParse(nothing, 'OpaqueRef:1').success, false);
});
