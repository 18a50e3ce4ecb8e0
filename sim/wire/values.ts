/** The values XAPI sends and receives, independent of the encoding they travel in. */

/** A float, kept apart from integers because XML-RPC writes them as <double> and integers as plain text. */
export class Float {
  readonly number: number;
  constructor(number: number) {
    this.number = number;
  }
}

/** An integer that travels as a typed <i4>; only event.from's valid_ref_counts does. */
export class TypedInt {
  readonly number: number;
  constructor(number: number) {
    this.number = number;
  }
}

export type Struct = { readonly [member: string]: Value };

/** Strings also stand for references, enums and void (the empty string); plain numbers are 64-bit integers. */
export type Value = string | number | boolean | null | Date | Float | TypedInt | readonly Value[] | Struct;

export const VOID = '';
export const NULL_REF = 'OpaqueRef:NULL';

export function isSet(value: Value | undefined): value is readonly Value[] {
  return Array.isArray(value);
}

export function isStruct(value: Value | undefined): value is Struct {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Date || value instanceof Float || value instanceof TypedInt)
  );
}

/** XAPI's date form: no dashes, colons in the time, always UTC. */
export function compactDate(date: Date): string {
  return `${date.toISOString().slice(0, 19).replaceAll('-', '')}Z`;
}

/** Reads the compact and the dashed form; a missing zone means UTC. */
export function parseDate(text: string): Date | undefined {
  const match = /^(\d{4})-?(\d\d)-?(\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z?$/.exec(text);
  if (!match) return undefined;
  const [, year, month, day, time] = match;
  return new Date(`${year}-${month}-${day}T${time}Z`);
}
