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
    if (entity.startsWith('#x')) return String.fromCodePoint(Number.parseInt(entity.slice(2), 16));
    if (entity.startsWith('#')) return String.fromCodePoint(Number(entity.slice(1)));
    return ENTITIES[entity] ?? whole;
  });
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
  // Declarations and comments are skipped; a tag's attributes are read over.
  for (const match of source.matchAll(/<\?.*?\?>|<!--.*?-->|<(\/?)([^\s/>]+)[^>]*?(\/?)>|([^<]+)/gs)) {
    const [, closing, name, selfClosing, text] = match;
    const innermost = open.at(-1) ?? root;
    if (text !== undefined) innermost.text += unescaped(text);
    else if (name === undefined) continue;
    else if (closing === '/') closeElement(open, name);
    else if (selfClosing === '/') innermost.children.push({ name, text: '', children: [] });
    else open.push({ name, children: [], text: '' });
    if (open.length > MAX_DEPTH) throw new S3Error('MalformedXML');
  }
  const [only, ...others] = root.children;
  if (open.length !== 1 || only === undefined || others.length > 0) throw new S3Error('MalformedXML');
  return only;
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
