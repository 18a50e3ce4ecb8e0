/** How the API's types arrive, and what they become: schemas for every reply of the host. */

import * as z from 'zod/mini';

const NULL_REFERENCE = 'OpaqueRef:NULL';

const reference = z.string().check(z.refine((text) => text !== '' && text !== NULL_REFERENCE, 'is a null reference'));

/** A reference is opaque and lives as long as the host's database says; what is kept for longer is the uuid. */
export const vmRef = reference.brand<'VM'>();
export const vdiRef = reference.brand<'VDI'>();
export const vbdRef = reference.brand<'VBD'>();
export const srRef = reference.brand<'SR'>();
export const poolRef = reference.brand<'pool'>();
export const hostRef = reference.brand<'host'>();
export const networkRef = reference.brand<'network'>();
export const pifRef = reference.brand<'PIF'>();
export const taskRef = reference.brand<'task'>();

export type VmRef = z.output<typeof vmRef>;
export type VdiRef = z.output<typeof vdiRef>;
export type VbdRef = z.output<typeof vbdRef>;
export type SrRef = z.output<typeof srRef>;
export type PoolRef = z.output<typeof poolRef>;
export type HostRef = z.output<typeof hostRef>;
export type NetworkRef = z.output<typeof networkRef>;
export type PifRef = z.output<typeof pifRef>;
export type TaskRef = z.output<typeof taskRef>;

/** A schema with a known result, as every call takes one for its reply. */
export type Reply<T> = z.core.$ZodType<T>;

/** `OpaqueRef:NULL` and the empty text both mean that there is no object. */
export function orNull<T>(ref: z.core.$ZodType<T, string>) {
  return z.pipe(
    z.pipe(
      z.string(),
      z.transform((text: string) => (text === '' || text === NULL_REFERENCE ? null : text)),
    ),
    z.nullable(ref),
  );
}

/** 64-bit integers come as text without a type; sizes beyond 2^53 do not exist on a host. */
export const integer = z.pipe(
  z.union([
    z.pipe(
      z.string().check(z.regex(/^-?\d{1,19}$/)),
      z.transform((digits: string) => Number(digits)),
    ),
    z.number(),
  ]),
  z.int(),
);

/** Calls without a result answer with an empty text; a nil is the same to us. */
export const nothing = z.pipe(
  z.union([z.literal(''), z.null()]),
  z.transform((): void => undefined),
);

export const textMap = z.record(z.string(), z.string());
export const texts = z.array(z.string());

/** `{ ref: record }`, as `get_all_records` answers, becomes a list of records that know their reference. */
export function recordsByRef<Ref, Fields extends object>(
  ref: z.core.$ZodType<Ref, string>,
  record: z.core.$ZodType<Fields>,
) {
  return z.pipe(
    z.pipe(
      z.record(z.string(), z.unknown()),
      z.transform((records: Record<string, unknown>) =>
        Object.entries(records).map(([key, fields]) => ({ ref: key, fields })),
      ),
    ),
    z.pipe(
      z.array(z.object({ ref, fields: record })),
      z.transform((found: { ref: Ref; fields: Fields }[]) =>
        found.map((entry) => ({ ...entry.fields, ref: entry.ref })),
      ),
    ),
  );
}
