/**
 * Reader slots bound what all runs of a pool read at a time, whoever started them: two policies, or a policy and a person.
 * A pool has as many slots as a host has NBD connections; a run takes one for each of its readers before it touches the
 * host, and gives them back when the host is released.
 *
 * A run takes what is free, at least one, instead of waiting for all it wants: two runs that each held half of what both
 * want would wait for ever. One that finds nothing gets in line: those that come later leave it a share of what becomes
 * free, or a fleet whose next run begins when its last one ends would never let another fleet in.
 *
 * Like the lease this saves time, and is no lock: two runs that take over a dead run's slot at the same moment can both
 * believe to have it. Then the host turns the seventeenth reader away, as `HostBusy`.
 */

import * as z from 'zod/mini';
import type { Executions } from '#lib/executions/executions.ts';
import { documentHead, encodeDocument, HEAD, parseDocument, timeField } from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { ObjectNotFound } from '#lib/store/failures.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { runIdOf } from './run-id.ts';

/** XenServer's NBD server accepts 16 connections per host and no more; snapshots of a pool may all be on one host. */
const SLOTS = 16;

const slotDocument = z.object({
  ...documentHead,
  holder: z.string(),
  since: timeField,
  /** Of a run that waits. */
  wanted: z._default(z.number(), 1),
});

export interface SlotClaim {
  readonly pool: string;
  /** The execution that wants to read. */
  readonly holder: string;
  readonly wanted: number;
  readonly since: Date;
}

interface SlotPorts {
  readonly store: ObjectStore;
  readonly executions: Executions;
  readonly signal: AbortSignal;
}

/** Who has which slot, and who waits for one. */
interface PoolReaders {
  readonly holders: ReadonlyMap<number, string>;
  readonly line: readonly Omit<SlotClaim, 'pool'>[];
}

/** How many slots the claim's holder has now, between 0 and what it wants. Asking again counts those it has. */
export async function takeSlots(ports: SlotPorts, claim: SlotClaim): Promise<number> {
  const { store } = ports;
  const readers = await readPool(store, claim.pool);
  const own = readers.line.find(({ holder }) => holder === claim.holder);
  const ahead = await livingAhead(ports, readers, { ...claim, since: own?.since ?? claim.since });
  const held = await takeFree(ports, readers, { claim, ahead });
  if (held === 0 && own === undefined) await getInLine(store, claim);
  if (held > 0 && own !== undefined) await store.delete(vaultKeys.slotWaiter(claim.pool, runIdOf(claim.holder)));
  return held;
}

/** Gives back what the holder has, its place in the line too; others keep theirs. */
export async function dropSlots(
  store: ObjectStore,
  { pool, holder }: Pick<SlotClaim, 'pool' | 'holder'>,
): Promise<void> {
  const { holders, line } = await readPool(store, pool);
  for (const [slot, held] of holders) {
    if (held === holder) await store.delete(vaultKeys.readerSlot(pool, slot));
  }
  for (const waiter of line) {
    if (waiter.holder === holder) await store.delete(vaultKeys.slotWaiter(pool, runIdOf(holder)));
  }
}

/** Takes free slots, then those of dead runs, but for what the runs ahead of it are left. */
async function takeFree(
  ports: SlotPorts,
  { holders }: PoolReaders,
  { claim, ahead }: { readonly claim: SlotClaim; readonly ahead: PoolReaders['line'] },
): Promise<number> {
  let held = [...holders.values()].filter((holder) => holder === claim.holder).length;
  const free = Array.from({ length: SLOTS }, (_, slot) => slot).filter((slot) => !holders.has(slot));
  const isEnough = ahead.length === 0 && held + free.length >= claim.wanted;
  const dead = isEnough ? new Set<string>() : await deadAmong(ports, new Set(holders.values()));
  const abandoned = [...holders].filter(([, holder]) => dead.has(holder)).map(([slot]) => slot);
  const open = [...free, ...abandoned];
  for (const slot of open.slice(0, open.length - leftFor(ahead, open.length))) {
    if (held === claim.wanted) break;
    if (holders.has(slot)) await ports.store.delete(vaultKeys.readerSlot(claim.pool, slot));
    if (await putSlot(ports.store, claim, slot)) held += 1;
  }
  return held;
}

/** Of so many open slots, an equal share for each run ahead and for the one behind them, and at least one while they last. */
function leftFor(ahead: PoolReaders['line'], open: number): number {
  const share = Math.max(1, Math.floor(open / (ahead.length + 1)));
  return Math.min(
    open,
    ahead.reduce((sum, { wanted }) => sum + Math.min(wanted, share), 0),
  );
}

/** Those in line before the claim; the places of dead runs are cleared away. */
async function livingAhead(
  ports: SlotPorts,
  { line }: PoolReaders,
  { pool, holder, since }: SlotClaim,
): Promise<PoolReaders['line']> {
  const ahead = line.filter(
    (other) =>
      other.holder !== holder && (other.since.getTime() - since.getTime() || other.holder.localeCompare(holder)) < 0,
  );
  const dead = await deadAmong(ports, new Set(ahead.map((waiter) => waiter.holder)));
  for (const gone of dead) await ports.store.delete(vaultKeys.slotWaiter(pool, runIdOf(gone)));
  return ahead.filter((waiter) => !dead.has(waiter.holder));
}

async function getInLine(store: ObjectStore, { pool, holder, since, wanted }: SlotClaim): Promise<void> {
  const document = encodeDocument({ ...HEAD, holder, since, wanted });
  await store.putIfAbsent(vaultKeys.slotWaiter(pool, runIdOf(holder)), document);
}

async function putSlot(store: ObjectStore, { pool, holder, since }: SlotClaim, slot: number): Promise<boolean> {
  const document = encodeDocument({ ...HEAD, holder, since });
  return (await store.putIfAbsent(vaultKeys.readerSlot(pool, slot), document)) === 'created';
}

async function readPool(store: ObjectStore, pool: string): Promise<PoolReaders> {
  const keys: string[] = [];
  for await (const { key } of store.list(vaultKeys.readerSlots(pool))) keys.push(key);
  const found = await Promise.all(keys.map(async (key) => [key, await readClaim(store, key)] as const));
  const holders = new Map<number, string>();
  const line: z.infer<typeof slotDocument>[] = [];
  for (const [key, claim] of found) {
    if (claim === undefined) continue;
    if (key.includes('/waiting/')) line.push(claim);
    else holders.set(slotOf(key), claim.holder);
  }
  return { holders, line };
}

const slotOf = (key: string) => Number.parseInt(key.slice(key.lastIndexOf('/') + 1), 10);

async function readClaim(store: ObjectStore, key: string): Promise<z.infer<typeof slotDocument> | undefined> {
  try {
    return parseDocument(slotDocument, await store.get(key), key);
  } catch (cause) {
    // It was given back since the listing.
    if (cause instanceof ObjectNotFound) return undefined;
    throw cause;
  }
}

async function deadAmong({ executions, signal }: SlotPorts, holders: ReadonlySet<string>): Promise<Set<string>> {
  const dead = new Set<string>();
  for (const holder of holders) if (!(await executions.isRunning(holder, { signal }))) dead.add(holder);
  return dead;
}
