/** Writes XML-RPC the way XAPI does: untyped strings and integers, compact dates, one struct as envelope. */

import { compactDate, Float, isSet, TypedInt, type Value } from './values.ts';

/** The `<value>` element alone: the form task results have, whatever endpoint asks for them. */
export function valueFragment(value: Value): string {
  return `<value>${content(value)}</value>`;
}

export function methodResponse(value: Value): string {
  return `<?xml version="1.0"?><methodResponse><params><param>${valueFragment(value)}</param></params></methodResponse>`;
}

function content(value: Value): string {
  if (value === null) return '<nil/>';
  if (typeof value === 'string') return escapeText(value);
  // The documentation writes 64-bit integers as strings, because XML-RPC's own <int> has 32 bits.
  if (typeof value === 'number') return value.toFixed(0);
  if (typeof value === 'boolean') return `<boolean>${value ? 1 : 0}</boolean>`;
  if (value instanceof Date) return `<dateTime.iso8601>${compactDate(value)}</dateTime.iso8601>`;
  if (value instanceof Float) return `<double>${Number(value.number.toPrecision(16))}</double>`;
  if (value instanceof TypedInt) return `<i4>${value.number}</i4>`;
  if (isSet(value)) return `<array><data>${value.map(valueFragment).join('')}</data></array>`;
  const members = Object.entries(value).map(
    ([name, member]) => `<member><name>${escapeText(name)}</name>${valueFragment(member)}</member>`,
  );
  return `<struct>${members.join('')}</struct>`;
}

/** Control characters other than tab, line feed and carriage return are dropped silently, as the host does. */
export function escapeText(text: string): string {
  return (
    text
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are exactly the characters the host drops
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, '')
      .replace(/[<>&"]/g, (character) => ESCAPES[character] ?? character)
  );
}

const ESCAPES: Readonly<Record<string, string>> = { '<': '&lt;', '>': '&gt;', '&': '&amp;', '"': '&quot;' };
