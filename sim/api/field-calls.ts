/** The calls every class has for its records and fields, derived from the field table. */

import type { Ref, Table } from '#sim/database/database.ts';
import type { Row } from '#sim/database/records.ts';
import { compactDate, Float, isSet, isStruct, type Value, VOID } from '#sim/wire/values.ts';
import { ApiError } from './api-error.ts';
import type { Call, Method } from './method.ts';
import type { Role } from './roles.ts';

/** Who may change which fields; everything else is read-only for API users. */
const WRITABLE: Readonly<Record<string, { readonly role: Role; readonly fields: readonly string[] }>> = {
  pool: { role: 'pool-operator', fields: ['name_label', 'name_description', 'other_config'] },
  host: { role: 'pool-operator', fields: ['name_label', 'name_description', 'other_config', 'tags'] },
  SR: { role: 'pool-operator', fields: ['other_config', 'tags'] },
  VM: { role: 'vm-operator', fields: ['name_label', 'name_description', 'other_config', 'tags', 'platform'] },
  VBD: { role: 'vm-admin', fields: ['userdevice', 'bootable', 'mode', 'other_config'] },
  VDI: {
    role: 'vm-admin',
    fields: [
      'name_label',
      'name_description',
      'other_config',
      'tags',
      'sm_config',
      'xenstore_data',
      'on_boot',
      'sharable',
      'read_only',
    ],
  },
  network: { role: 'pool-operator', fields: ['name_label', 'name_description', 'other_config', 'tags'] },
  task: { role: 'vm-operator', fields: ['other_config'] },
};

export function fieldMethods(tables: Iterable<Table<Row>>): Map<string, Method> {
  const methods = new Map<string, Method>();
  for (const table of tables) {
    const add = (name: string, method: Method) => methods.set(`${table.name}.${name}`, method);
    const template = table.blank();
    for (const [name, method] of recordMethods(table, template)) add(name, method);
    for (const field of Object.keys(template)) add(`get_${field}`, getter(table, field));
    const writable = WRITABLE[table.name];
    for (const field of writable?.fields ?? []) {
      for (const [name, method] of changers(table, field, writable?.role ?? 'pool-admin')) add(name, method);
    }
  }
  return methods;
}

function recordMethods(table: Table<Row>, template: Row): [string, Method][] {
  const reader = (params: string[], run: Method['run']): Method => ({ params, role: 'read-only', syncOnly: true, run });
  const methods: [string, Method][] = [
    ['get_by_uuid', reader(['uuid'], ({ args }) => table.byUuid(args.text(0)))],
    ['get_record', reader(['self'], ({ world, args }) => world.db.read(table, args.ref(0, table)))],
  ];
  // Sessions can be read one by one, but there is no call that lists everybody's references.
  if (table.name !== 'session') {
    methods.push(
      ['get_all', reader([], () => table.refs())],
      ['get_all_records', reader([], (call) => all(call, table))],
    );
    methods.push(['get_all_records_where', reader(['expression'], (call) => matching(call, table))]);
  }
  if ('name_label' in template) {
    const byName = ({ args }: Call) => table.where((row) => row['name_label'] === args.text(0));
    methods.push(['get_by_name_label', reader(['label'], byName)]);
  }
  return methods;
}

function all({ world }: Call, table: Table<Row>): Record<Ref, Row> {
  return Object.fromEntries(table.refs().map((ref) => [ref, world.db.read(table, ref)]));
}

/** The expressions clients use: `true`, and one or more `field "x" = "y"` joined by `and`. */
function matching(call: Call, table: Table<Row>): Record<Ref, Row> {
  const expression = call.args.text(0).trim();
  const conditions = expression === 'true' ? [] : expression.split(/\s+and\s+/i).map(readCondition);
  const holds = (row: Row) => conditions.every(({ field, text }) => comparable(row[field]) === text);
  return Object.fromEntries(Object.entries(all(call, table)).filter(([, row]) => holds(row)));
}

function readCondition(condition: string): { field: string; text: string } {
  const match = /^\(?\s*field\s*"([^"]+)"\s*=\s*"?([^")]*)"?\s*\)?$/.exec(condition.trim());
  if (!match) throw new ApiError('INTERNAL_ERROR', [`expression not understood: ${condition}`]);
  return { field: (match[1] ?? '').replaceAll('__', '_'), text: match[2] ?? '' };
}

function comparable(value: Value | undefined): string {
  if (value instanceof Date) return compactDate(value);
  if (value instanceof Float) return String(value.number);
  return String(value);
}

function getter(table: Table<Row>, field: string): Method {
  const run = ({ world, args }: Call) => world.db.read(table, args.ref(0, table))[field] ?? VOID;
  return { params: ['self'], role: 'read-only', syncOnly: true, run };
}

function changers(table: Table<Row>, field: string, role: Role): [string, Method][] {
  const kind = table.blank()[field];
  const change = (name: string, params: string[], next: (call: Call, present: Value | undefined) => Value) => {
    const run = (call: Call) => {
      const ref = call.args.ref(0, table);
      table.update(ref, { [field]: next(call, table.get(ref)[field]) });
      return VOID;
    };
    const method: Method = { params, role, syncOnly: true, run };
    return [name, method] satisfies [string, Method];
  };
  const methods = [change(`set_${field}`, ['self', 'value'], (call) => checked(call, kind))];
  if (isSet(kind)) {
    methods.push(
      change(`add_${field}`, ['self', 'value'], ({ args }, set) => [...new Set([...elements(set), args.text(1)])]),
      change(`remove_${field}`, ['self', 'value'], ({ args }, set) => elements(set).filter((e) => e !== args.text(1))),
    );
  } else if (isStruct(kind)) {
    methods.push(
      change(`add_to_${field}`, ['self', 'key', 'value'], (call, map) => withKey(call, table.name, map)),
      change(`remove_from_${field}`, ['self', 'key'], ({ args }, map) => without(map, args.text(1))),
    );
  }
  return methods;
}

function checked({ args }: Call, kind: Value | undefined): Value {
  if (isSet(kind)) return args.texts(1);
  if (isStruct(kind)) return args.struct(1);
  if (typeof kind === 'number') return args.integer(1);
  return typeof kind === 'boolean' ? args.value(1) === true : args.text(1);
}

function elements(set: Value | undefined): readonly Value[] {
  return isSet(set) ? set : [];
}

function withKey({ args }: Call, className: string, map: Value | undefined): Value {
  const present = isStruct(map) ? map : {};
  const key = args.text(1);
  if (key in present) throw new ApiError('MAP_DUPLICATE_KEY', [className, args.text(0), key, args.text(2)]);
  return { ...present, [key]: args.text(2) };
}

function without(map: Value | undefined, key: string): Value {
  const present = isStruct(map) ? map : {};
  return Object.fromEntries(Object.entries(present).filter(([name]) => name !== key));
}
