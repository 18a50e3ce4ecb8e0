/** What an API method is to the dispatcher, and how it reads its arguments. */

import type { Ref, Table } from '#sim/database/database.ts';
import type { Row } from '#sim/database/records.ts';
import { Float, isSet, isStruct, type Struct, type Value } from '#sim/wire/values.ts';
import type { World } from '#sim/world.ts';
import { ApiError } from './api-error.ts';
import type { Role } from './roles.ts';

export interface Call {
  readonly world: World;
  readonly method: string;
  readonly args: Arguments;
  /** The null reference during login. */
  readonly session: Ref;
  /** The host that was asked. */
  readonly host: Ref;
  readonly task: Ref | undefined;
  /** Fires when the call's task is cancelled or the simulator stops. */
  readonly signal: AbortSignal;
}

export interface Method {
  /** Parameters after the session. */
  readonly params: readonly string[];
  /** How many of them, from the end, may be left out. */
  readonly optional?: number;
  readonly role: Role;
  /** Field getters and get_nbd_info have no Async form. */
  readonly syncOnly?: true;
  /** Login alone works without a session. */
  readonly sessionless?: true;
  /** Unknown to hosts before XenServer 7.3. */
  readonly since73?: true;
  run(call: Call): Value | Promise<Value>;
}

export type Methods = Readonly<Record<string, Method>>;

/** The parameters after the session, converted to what the method needs. */
export class Arguments {
  readonly #values: readonly Value[];

  constructor(values: readonly Value[]) {
    this.#values = values;
  }

  has(index: number): boolean {
    return index < this.#values.length;
  }

  text(index: number): string {
    const value = this.#values[index];
    return typeof value === 'string' ? value : wrong(index, 'a string');
  }

  /** Integers arrive as decimal strings (the documented form) or typed. */
  integer(index: number): number {
    const value = this.#values[index];
    if (typeof value === 'number') return value;
    if (typeof value === 'string' && /^\s*-?\d+\s*$/.test(value)) return Number(value);
    return wrong(index, 'an integer');
  }

  float(index: number): number {
    const value = this.#values[index];
    if (value instanceof Float) return value.number;
    if (typeof value === 'number') return value;
    if (typeof value === 'string' && value !== '' && !Number.isNaN(Number(value))) return Number(value);
    return wrong(index, 'a float');
  }

  texts(index: number): string[] {
    const value = this.#values[index];
    if (!isSet(value)) return wrong(index, 'a set');
    return value.map((element) => (typeof element === 'string' ? element : wrong(index, 'a set of strings')));
  }

  struct(index: number): Struct {
    const value = this.#values[index];
    return isStruct(value) ? value : wrong(index, 'a map');
  }

  value(index: number): Value {
    return this.#values[index] ?? wrong(index, 'a value');
  }

  /** A reference to an existing record. */
  ref<T extends Row>(index: number, table: Table<T>): Ref {
    const ref = this.text(index);
    table.get(ref);
    return ref;
  }
}

function wrong(index: number, expected: string): never {
  throw new ApiError('FIELD_TYPE_ERROR', [`parameter ${index + 1} is not ${expected}`]);
}
