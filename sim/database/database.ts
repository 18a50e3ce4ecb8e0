/** The pool database: tables of records, looked up by reference, uuid or name, with a journal of changes. */

import { randomUUID } from 'node:crypto';
import { ApiError } from '#sim/api/api-error.ts';
import { Journal } from './journal.ts';
import type { Row } from './records.ts';
import * as records from './records.ts';

export type Ref = string;

export class Table<T extends Row> {
  readonly name: string;
  readonly blank: () => T;
  readonly #rows = new Map<Ref, T>();
  readonly #journal: Journal;

  constructor(name: string, blank: () => T, journal: Journal) {
    this.name = name;
    this.blank = blank;
    this.#journal = journal;
  }

  /** Adds a record under a new reference; the uuid is made up unless given. */
  create(fields: Partial<T>): Ref {
    const uuid = typeof fields['uuid'] === 'string' ? fields['uuid'] : randomUUID();
    const ref = `OpaqueRef:${randomUUID()}`;
    this.#rows.set(ref, { ...this.blank(), uuid, ...fields });
    this.#journal.added(this.name, ref);
    return ref;
  }

  /** The stored record. Computed fields still hold their defaults: Database.read fills them. */
  get(ref: Ref): T {
    const row = this.#rows.get(ref);
    if (!row) throw new ApiError('HANDLE_INVALID', [this.name, ref]);
    return row;
  }

  has(ref: Ref): boolean {
    return this.#rows.has(ref);
  }

  update(ref: Ref, fields: Partial<T>): void {
    this.#rows.set(ref, { ...this.get(ref), ...fields });
    this.#journal.modified(this.name, ref);
  }

  /** Removing twice is harmless: two cleaners may meet at one record. */
  delete(ref: Ref): void {
    if (this.#rows.delete(ref)) this.#journal.deleted(this.name, ref);
  }

  refs(): Ref[] {
    return [...this.#rows.keys()];
  }

  where(predicate: (row: T) => boolean): Ref[] {
    return [...this.#rows].filter(([, row]) => predicate(row)).map(([ref]) => ref);
  }

  byUuid(uuid: string): Ref {
    const [ref] = this.where((row) => row['uuid'] === uuid);
    if (ref === undefined) throw new ApiError('UUID_INVALID', [this.name, uuid]);
    return ref;
  }
}

export class Database {
  readonly journal = new Journal();
  readonly pool = new Table('pool', records.newPool, this.journal);
  readonly host = new Table('host', records.newHost, this.journal);
  readonly SR = new Table('SR', records.newSr, this.journal);
  readonly SM = new Table('SM', records.newSm, this.journal);
  readonly VM = new Table('VM', records.newVm, this.journal);
  readonly VBD = new Table('VBD', records.newVbd, this.journal);
  readonly VDI = new Table('VDI', records.newVdi, this.journal);
  readonly VIF = new Table('VIF', records.newVif, this.journal);
  readonly network = new Table('network', records.newNetwork, this.journal);
  readonly PIF = new Table('PIF', records.newPif, this.journal);
  readonly PBD = new Table('PBD', records.newPbd, this.journal);
  readonly task = new Table('task', records.newTask, this.journal);
  readonly message = new Table('message', records.newMessage, this.journal);
  readonly session = new Table('session', records.newSession, this.journal);

  readonly tables: ReadonlyMap<string, Table<Row>> = new Map(
    [
      this.pool,
      this.host,
      this.SR,
      this.SM,
      this.VM,
      this.VBD,
      this.VDI,
      this.VIF,
      this.network,
      this.PIF,
      this.PBD,
      this.task,
      this.message,
      this.session,
    ].map((table) => [table.name, table]),
  );

  /** Fields that depend on what is happening right now, per class; the state they need lives elsewhere. */
  readonly derived = new Map<string, (ref: Ref) => Row>();

  /** A record as the API shows it, computed fields included. */
  read(table: Table<Row>, ref: Ref): Row {
    const linked: Record<string, Ref[]> = {};
    for (const { owner, field, from, by } of records.RELATIONS) {
      if (owner !== table.name) continue;
      linked[field] = this.tables.get(from)?.where((row) => row[by] === ref) ?? [];
    }
    return { ...table.get(ref), ...linked, ...this.derived.get(table.name)?.(ref) };
  }
}
