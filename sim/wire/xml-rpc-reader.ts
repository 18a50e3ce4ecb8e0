/** Reads XML-RPC method calls. */

import { Float, parseDate, type Value } from './values.ts';
import { XmlReader } from './xml-reader.ts';

export interface MethodCall {
  readonly method: string;
  readonly params: readonly Value[];
}

/** A value nested deeper than this is refused: the API has no structure beyond record -> map -> string. */
const MAX_DEPTH = 32;

export function readMethodCall(xml: string): MethodCall {
  const reader = new XmlReader(xml);
  reader.open('methodCall');
  reader.open('methodName');
  const method = reader.text().trim();
  reader.close('methodName');
  const params: Value[] = [];
  if (reader.tryOpen('params') === 'open') {
    while (reader.tryOpen('param') === 'open') {
      params.push(readValue(reader, 0));
      reader.close('param');
    }
    reader.close('params');
  }
  reader.close('methodCall');
  reader.end();
  return { method, params };
}

/** Reads a document that is one `<value>`. */
export function readValueDocument(xml: string): Value {
  const reader = new XmlReader(xml);
  const value = readValue(reader, 0);
  reader.end();
  return value;
}

function readValue(reader: XmlReader, depth: number): Value {
  if (depth > MAX_DEPTH) reader.fail('values are nested too deeply');
  if (reader.open('value') === 'empty') return '';
  const text = reader.text();
  if (reader.atClose('value')) {
    reader.close('value');
    return text;
  }
  if (text.trim() !== '') reader.fail('text beside a typed value');
  const value = readTyped(reader, depth);
  reader.close('value');
  return value;
}

function readTyped(reader: XmlReader, depth: number): Value {
  if (reader.tryOpen('nil')) return null;
  const array = reader.tryOpen('array');
  if (array) return array === 'empty' ? [] : readArray(reader, depth);
  const struct = reader.tryOpen('struct');
  if (struct) return struct === 'empty' ? {} : readStruct(reader, depth);
  for (const [tag, convert] of SCALARS) {
    const opened = reader.tryOpen(tag);
    if (!opened) continue;
    const text = opened === 'empty' ? '' : reader.text();
    if (opened === 'open') reader.close(tag);
    return convert(text) ?? reader.fail(`'${text}' is no ${tag}`);
  }
  return reader.fail('unknown type of value');
}

function integer(text: string): number | undefined {
  return /^\s*[+-]?\d+\s*$/.test(text) ? Number(text) : undefined;
}

const SCALARS: readonly (readonly [tag: string, convert: (text: string) => Value | undefined])[] = [
  ['string', (text) => text],
  ['int', integer],
  ['i4', integer],
  ['i8', integer],
  // Only the text 1 is true for the host; "true" is false.
  ['boolean', (text) => text === '1'],
  ['double', (text) => (text.trim() === '' || Number.isNaN(Number(text)) ? undefined : new Float(Number(text)))],
  ['dateTime.iso8601', parseDate],
  ['base64', (text) => text],
];

function readArray(reader: XmlReader, depth: number): Value {
  const values: Value[] = [];
  reader.skipSpace();
  if (reader.atClose('array')) {
    reader.close('array');
    return values;
  }
  if (reader.open('data') === 'open') {
    for (reader.skipSpace(); !reader.atClose('data'); reader.skipSpace()) values.push(readValue(reader, depth + 1));
    reader.close('data');
  }
  reader.close('array');
  return values;
}

function readStruct(reader: XmlReader, depth: number): Value {
  const members: Record<string, Value> = {};
  while (reader.tryOpen('member') === 'open') {
    const name = reader.open('name') === 'empty' ? '' : reader.text();
    reader.close('name');
    members[name] = readValue(reader, depth + 1);
    reader.close('member');
  }
  reader.close('struct');
  return members;
}
