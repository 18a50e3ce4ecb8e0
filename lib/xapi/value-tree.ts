/**
 * The XML in which the API writes values, as a tree that is written again exactly as it was read, but for what was
 * changed in it. A decoder would lose which number was text and which date had which form.
 *
 * ```
 *   <value> text | <boolean> | <double> | … | <array><data><value>…  | <struct><member><name>…<value>… </value>
 * ```
 */

import { UnexpectedReply } from './failures.ts';

export interface XmlNode {
  readonly tag: string;
  children: XmlNode[];
  /** As it stands in the document, escaped; only of nodes without children. */
  text: string;
}

/** Records nest four deep, with three elements for each level; deeper is no document of a host. */
const MAX_DEPTH = 64;
const TOKEN = /<(\/?)([A-Za-z0-9_.]+)\s*(\/?)>|<\?[^>]*\?>|([^<]+)/gy;

/** The one element of a document. Throws UnexpectedReply for what is not well-formed. */
export function parseValueTree(document: string): XmlNode {
  const top: XmlNode = { tag: '', children: [], text: '' };
  const open: XmlNode[] = [top];
  let end = 0;
  for (const [token, closes, tag, isEmpty, text] of document.matchAll(TOKEN)) {
    end += token.length;
    const inner = open.at(-1) ?? top;
    if (text !== undefined) addText(inner, text);
    else if (tag === undefined) continue;
    else if (closes === '') open.push(...addElement(inner, { tag, isEmpty: isEmpty !== '' }));
    else if (open.pop()?.tag !== tag) throw malformed(`</${tag}> closes nothing at character ${end}`);
    if (open.length > MAX_DEPTH) throw malformed(`it nests deeper than ${MAX_DEPTH}`);
  }
  const [only, ...others] = top.children;
  if (end !== document.length || open.length !== 1) throw malformed(`it breaks off at character ${end}`);
  if (only === undefined || others.length > 0) throw malformed('it has no single element');
  return only;
}

/** Text between elements is white space. */
function addText(node: XmlNode, text: string): void {
  if (node.children.length === 0) node.text = text;
}

/** Answers with the element if it is open now. */
function addElement(parent: XmlNode, { tag, isEmpty }: { readonly tag: string; readonly isEmpty: boolean }): XmlNode[] {
  const node: XmlNode = { tag, children: [], text: '' };
  parent.children.push(node);
  parent.text = '';
  return isEmpty ? [] : [node];
}

export function writeValueTree({ tag, children, text }: XmlNode): string {
  return `<${tag}>${children.length > 0 ? children.map(writeValueTree).join('') : text}</${tag}>`;
}

/** The values of an array; none if it is not one. */
export function arrayElements(value: XmlNode): readonly XmlNode[] {
  return arrayData(value)?.children ?? [];
}

/** Puts other values in an array's place. */
export function setArrayElements(value: XmlNode, elements: readonly XmlNode[]): void {
  const data = arrayData(value);
  if (data !== undefined) data.children = [...elements];
}

/** The value of a struct's member; undefined if there is none. */
export function memberOf(struct: XmlNode, name: string): XmlNode | undefined {
  const member = childOf(struct, 'struct')?.children.find(
    (each) => decoded(childOf(each, 'name')?.text ?? '') === name,
  );
  return member === undefined ? undefined : childOf(member, 'value');
}

/** The text of a member that is a scalar of any type; empty if it is not there. */
export function memberText(struct: XmlNode, name: string): string {
  const value = memberOf(struct, name);
  return value === undefined ? '' : decoded((value.children[0] ?? value).text);
}

export function setMemberText(struct: XmlNode, name: string, text: string): void {
  setMember(struct, name, { tag: 'value', children: [], text: encoded(text) });
}

export function setMemberFlag(struct: XmlNode, name: string, flag: 'true' | 'false'): void {
  const digit: XmlNode = { tag: 'boolean', children: [], text: flag === 'true' ? '1' : '0' };
  setMember(struct, name, { tag: 'value', children: [digit], text: '' });
}

function setMember(struct: XmlNode, name: string, value: XmlNode): void {
  const known = memberOf(struct, name);
  if (known !== undefined) {
    known.children = value.children;
    known.text = value.text;
    return;
  }
  const label: XmlNode = { tag: 'name', children: [], text: encoded(name) };
  const member: XmlNode = { tag: 'member', children: [label, value], text: '' };
  const members = childOf(struct, 'struct');
  if (members === undefined) throw malformed(`there is no struct to hold ${name}`);
  members.children.push(member);
}

function arrayData(value: XmlNode): XmlNode | undefined {
  const array = childOf(value, 'array');
  return array === undefined ? undefined : childOf(array, 'data');
}

function childOf(node: XmlNode, tag: string): XmlNode | undefined {
  return node.children.find((child) => child.tag === tag);
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

function decoded(text: string): string {
  return text.replace(/&(#x?[0-9a-f]+|[a-z]+);/gi, (whole, name: string) => {
    if (!name.startsWith('#')) return ENTITIES[name] ?? whole;
    const isHex = name[1]?.toLowerCase() === 'x';
    return String.fromCodePoint(Number.parseInt(name.slice(isHex ? 2 : 1), isHex ? 16 : 10));
  });
}

function encoded(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function malformed(why: string): UnexpectedReply {
  return new UnexpectedReply(`The XML of a record of the host cannot be read: ${why}.`);
}
