/** Random values of a schema, for the parts of zod that contracts use. */

import assert from 'node:assert/strict';
import fc from 'fast-check';
import type * as z from 'zod/mini';

/** The part of a schema's definition that says what it accepts. */
interface Definition {
  readonly type: string;
  readonly checks?: readonly { readonly _zod: { readonly def: unknown } }[];
  readonly values?: readonly unknown[];
  readonly entries?: Readonly<Record<string, unknown>>;
  readonly shape?: Readonly<Record<string, z.ZodMiniType>>;
  readonly options?: readonly z.ZodMiniType[];
  readonly innerType?: z.ZodMiniType;
  readonly element?: z.ZodMiniType;
}

/** A check's definition, with the fields of all. */
interface Check {
  readonly check: string;
  readonly pattern?: RegExp;
  readonly minimum?: number;
  readonly value?: number;
  readonly inclusive?: boolean;
}

const least = ({ value = 0, inclusive = true }: Partial<Check> = {}) => (inclusive ? value : value + 1);

export function arbitraryOf(schema: z.ZodMiniType): fc.Arbitrary<unknown> {
  const definition = schema._zod.def as Definition;
  const checks = (definition.checks ?? []).map(({ _zod }) => _zod.def as Check);
  const found = (name: string) => checks.find(({ check }) => check === name);
  switch (definition.type) {
    case 'string': {
      const pattern = found('string_format')?.pattern;
      return pattern ? fc.stringMatching(pattern) : fc.string({ minLength: found('min_length')?.minimum ?? 0 });
    }
    case 'number':
      return fc.integer({
        min: least(found('greater_than')),
        max: found('less_than')?.value ?? Number.MAX_SAFE_INTEGER,
      });
    case 'boolean':
      return fc.boolean();
    case 'literal':
      return fc.constantFrom(...(definition.values ?? []));
    case 'enum':
      return fc.constantFrom(...Object.values(definition.entries ?? {}));
    case 'array':
      return fc.array(arbitraryOf(definition.element ?? assert.fail()), {
        minLength: found('min_length')?.minimum ?? 0,
        maxLength: 4,
      });
    case 'optional':
    case 'default':
      return arbitraryOf(definition.innerType ?? assert.fail());
    case 'union':
      return fc.oneof(...(definition.options ?? []).map(arbitraryOf));
    case 'object':
      return arbitraryObject(definition.shape ?? {});
    default:
      return assert.fail(`no values are made for ${definition.type}`);
  }
}

function arbitraryObject(shape: Readonly<Record<string, z.ZodMiniType>>): fc.Arbitrary<unknown> {
  const entries = Object.entries(shape);
  const required = entries.filter(([, field]) => field._zod.def.type !== 'optional').map(([name]) => name);
  return fc.record(Object.fromEntries(entries.map(([name, field]) => [name, arbitraryOf(field)])), {
    requiredKeys: required,
    noNullPrototype: true,
  });
}
