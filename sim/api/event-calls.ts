/** event.from and event.inject: what changed since a token. */

import type { Change } from '#sim/database/journal.ts';
import type { Row } from '#sim/database/records.ts';
import { TypedInt, type Value } from '#sim/wire/values.ts';
import { ApiError } from './api-error.ts';
import type { Call, Methods } from './method.ts';

/** Longer waits than this end early with an empty list, and the client asks again. */
const MAX_WAIT_MS = 3_600_000;

export const eventMethods: Methods = {
  'event.from': { params: ['classes', 'token', 'timeout'], role: 'read-only', syncOnly: true, run: eventFrom },
  'event.inject': { params: ['class', 'ref'], role: 'read-only', syncOnly: true, run: inject },
};

/** Pretends that an object changed, and answers the token before it: where clients begin to follow events. */
function inject({ world, args }: Call): Value {
  const wanted = args.text(0).toLowerCase();
  const table = [...world.db.tables.values()].find(({ name }) => name.toLowerCase() === wanted);
  if (table === undefined) throw new ApiError('EVENT_SUBSCRIPTION_PARSE_FAILURE', [args.text(0)]);
  const before = tokenOf(world.db.journal.generation);
  world.db.journal.modified(table.name, args.ref(1, table));
  return before;
}

type Filter = (change: Change) => boolean;

async function eventFrom({ world, args, signal }: Call): Promise<Value> {
  const { journal } = world.db;
  const wanted = args.texts(0).map(subscription);
  const since = generationOf(args.text(1));
  const deadline = Date.now() + Math.min(args.float(2) * 1000, MAX_WAIT_MS);
  for (;;) {
    const changes = journal.since(since).filter((change) => wanted.some((filter) => filter(change)));
    const remainingMs = deadline - Date.now();
    if (changes.length > 0 || remainingMs <= 0 || signal.aborted) {
      return { events: changes.map((change) => event(world.db, change)), ...summary(world.db, wanted) };
    }
    await journal.nextChange(Math.ceil(remainingMs));
  }
}

/** `*`, a class name in any case, or `class/OpaqueRef:…`. */
function subscription(text: string): Filter {
  const [className = '', ref, ...more] = text.split('/');
  if (className === '' || more.length > 0) throw new ApiError('EVENT_SUBSCRIPTION_PARSE_FAILURE', [text]);
  if (className === '*') return () => true;
  const sameClass = (change: Change) => change.className.toLowerCase() === className.toLowerCase();
  return ref === undefined ? sameClass : (change) => sameClass(change) && change.ref === ref;
}

function generationOf(token: string): number {
  if (token === '') return 0;
  const match = /^0*(\d+),0*(\d+)$/.exec(token);
  if (!match) throw new ApiError('EVENT_FROM_TOKEN_PARSE_FAILURE', [token]);
  return Number(match[1]);
}

function tokenOf(generation: number): string {
  return `${String(generation).padStart(20, '0')},${'0'.padStart(20, '0')}`;
}

function event(db: Call['world']['db'], change: Change): Row {
  const table = db.tables.get(change.className);
  const common = {
    id: String(change.generation),
    // The host fills this field with a constant.
    timestamp: '0.0',
    class: change.className.toLowerCase(),
    operation: change.operation,
    ref: change.ref,
  };
  if (change.operation === 'del' || !table?.has(change.ref)) return common;
  return { ...common, snapshot: db.read(table, change.ref) };
}

function summary(db: Call['world']['db'], wanted: readonly Filter[]): Row {
  const counts: Record<string, TypedInt> = {};
  for (const table of db.tables.values()) {
    const asked = wanted.some((filter) => filter({ className: table.name, ref: '', operation: 'mod', generation: 0 }));
    if (asked) counts[table.name.toLowerCase()] = new TypedInt(table.refs().length);
  }
  return { valid_ref_counts: counts, token: tokenOf(db.journal.generation) };
}
