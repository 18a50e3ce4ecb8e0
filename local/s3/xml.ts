/** The little XML that S3 speaks: elements and text, no attributes that matter. */

import { S3Error } from './s3-error.ts';

/** Deepest nesting of any request of S3 is four (lifecycle filters); deeper is not meant for us. */
const MAX_DEPTH = 8;

export interface XmlElement {
  readonly name: string;
  readonly text: string;
  readonly children: readonly XmlElement[];
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll('\r', '&#13;');
}

/** One element as text: of text, which is escaped, or of elements that are text already. */
export function element(name: string, content: string | number | readonly string[]): string {
  const inner = typeof content === 'object' ? content.join('') : escaped(String(content));
  return `<${name}>${inner}</${name}>`;
}

/** A whole answer of S3. */
export function document(name: string, children: readonly string[]): string {
  const namespace = 'http://s3.amazonaws.com/doc/2006-03-01/';
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${name} xmlns="${namespace}">${children.join('')}</${name}>`;
}

function unescaped(text: string): string {
  return text.replace(/&(#x[0-9a-f]+|#\d+|[a-z]+);/gi, (whole, entity: string) => {
    if (entity.startsWith('#x')) return character(Number.parseInt(entity.slice(2), 16));
    if (entity.startsWith('#')) return character(Number(entity.slice(1)));
    return ENTITIES[entity] ?? whole;
  });
}

const LAST_CODE_POINT = 0x10ffff;

function character(codePoint: number): string {
  if (Number.isNaN(codePoint) || codePoint > LAST_CODE_POINT) throw new S3Error('MalformedXML');
  return String.fromCodePoint(codePoint);
}

interface OpenElement {
  readonly name: string;
  readonly children: XmlElement[];
  text: string;
}

/** Reads a request; throws MalformedXML for what is not nested elements under one root. */
export function parseXml(source: string): XmlElement {
  const root: OpenElement = { name: '', children: [], text: '' };
  const open: OpenElement[] = [root];
  for (const { markup, text } of pieces(source)) {
    if (text !== undefined) (open.at(-1) ?? root).text += unescaped(text);
    // Declarations and comments are skipped.
    else if (!/^[?!]/.test(markup)) placeTag(open, markup);
    if (open.length > MAX_DEPTH) throw new S3Error('MalformedXML');
  }
  const [only, ...others] = root.children;
  if (open.length !== 1 || only === undefined || others.length > 0) throw new S3Error('MalformedXML');
  return only;
}

type Piece = { readonly markup: string; readonly text?: never } | { readonly text: string; readonly markup?: never };

/** What stands between `<` and its end, and the text between two such. Every character is looked at once. */
function* pieces(source: string): Generator<Piece> {
  for (let at = 0; at < source.length; ) {
    const opens = source.indexOf('<', at);
    if (opens !== at) yield { text: source.slice(at, opens === -1 ? source.length : opens) };
    if (opens === -1) return;
    const end = endOfMarkup(source, opens);
    const closes = source.indexOf(end, opens + 1);
    if (closes === -1) throw new S3Error('MalformedXML');
    yield { markup: source.slice(opens + 1, closes) };
    at = closes + end.length;
  }
}

function endOfMarkup(source: string, opens: number): string {
  if (source.startsWith('<!--', opens)) return '-->';
  return source.startsWith('<?', opens) ? '?>' : '>';
}

/** A tag's attributes are read over. */
function placeTag(open: OpenElement[], markup: string): void {
  const [, closing, name] = /^(\/?)([^\s/]+)/.exec(markup) ?? [];
  if (name === undefined) throw new S3Error('MalformedXML');
  if (closing === '/') closeElement(open, name);
  else if (markup.endsWith('/')) open.at(-1)?.children.push({ name, text: '', children: [] });
  else open.push({ name, children: [], text: '' });
}

function closeElement(open: OpenElement[], name: string): void {
  const closed = open.pop();
  const parent = open.at(-1);
  if (closed === undefined || parent === undefined || closed.name !== name) throw new S3Error('MalformedXML');
  parent.children.push({ name, text: closed.text.trim(), children: closed.children });
}

/** Text of the child called `name`. */
export function childText(parent: XmlElement, name: string): string | undefined {
  return parent.children.find((child) => child.name === name)?.text;
}

export function childrenOf(parent: XmlElement, name: string): XmlElement[] {
  return parent.children.filter((child) => child.name === name);
}
