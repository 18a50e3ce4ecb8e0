/**
 * Reader slots bound what all runs of a pool read at a time, whoever started them: two policies, or a policy and a person.
 * A pool has as many slots as a host has NBD connections; a run takes one for each of its readers before it touches the
 * host, and gives them back when the host is released.
 *
 * A run takes what is free, at least one, instead of waiting for all it wants: two runs that each held half of what both
 * want would wait for ever. Like the lease this saves time, and is no lock: two runs that take over a dead run's slot at
 * the same moment can both believe to have it. Then the host turns the seventeenth reader away, as `HostBusy`.
 */

import * as z from 'zod/mini';
import type { Executions } from '#lib/executions/executions.ts';
import { documentHead, encodeDocument, HEAD, parseDocument, timeField } from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { ObjectNotFound } from '#lib/store/failures.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';

/** XenServer's NBD server accepts 16 connections per host and no more; snapshots of a pool may all be on one host. */
const SLOTS = 16;

const slotDocument = z.object({ ...documentHead, holder: z.string(), since: timeField });

export interface SlotClaim {
  readonly pool: string;
  /** The execution that wants to read. */
  readonly holder: string;
  readonly wanted: number;
  readonly since: Date;
}

/** How many slots the claim's holder has now, between 0 and what it wants. Asking again counts those it has. */
export async function takeSlots(
  ports: { readonly store: ObjectStore; readonly executions: Executions; readonly signal: AbortSignal },
  claim: SlotClaim,
): Promise<number> {
  const holders = await readHolders(ports.store, claim.pool);
  let held = [...holders.values()].filter((holder) => holder === claim.holder).length;
  for (let slot = 0; slot < SLOTS && held < claim.wanted; slot++) {
    if (!holders.has(slot) && (await putSlot(ports.store, claim, slot))) held += 1;
  }
  if (held === claim.wanted) return held;
  const dead = await deadHolders(ports, new Set(holders.values()));
  for (const [slot, holder] of holders) {
    if (held === claim.wanted || !dead.has(holder)) continue;
    await ports.store.delete(vaultKeys.readerSlot(claim.pool, slot));
    if (await putSlot(ports.store, claim, slot)) held += 1;
  }
  return held;
}

/** Gives back what the holder has; others keep theirs. */
export async function dropSlots(
  store: ObjectStore,
  { pool, holder }: Pick<SlotClaim, 'pool' | 'holder'>,
): Promise<void> {
  for (const [slot, held] of await readHolders(store, pool)) {
    if (held === holder) await store.delete(vaultKeys.readerSlot(pool, slot));
  }
}

async function putSlot(store: ObjectStore, { pool, holder, since }: SlotClaim, slot: number): Promise<boolean> {
  const document = encodeDocument({ ...HEAD, holder, since });
  return (await store.putIfAbsent(vaultKeys.readerSlot(pool, slot), document)) === 'created';
}

/** The holder of each slot that is taken. */
async function readHolders(store: ObjectStore, pool: string): Promise<Map<number, string>> {
  const taken: string[] = [];
  for await (const { key } of store.list(vaultKeys.readerSlots(pool))) taken.push(key);
  const found = await Promise.all(taken.map(async (key) => [slotOf(key), await readHolder(store, key)] as const));
  return new Map(found.filter((entry): entry is readonly [number, string] => entry[1] !== undefined));
}

const slotOf = (key: string) => Number.parseInt(key.slice(key.lastIndexOf('/') + 1), 10);

async function readHolder(store: ObjectStore, key: string): Promise<string | undefined> {
  try {
    return parseDocument(slotDocument, await store.get(key), key).holder;
  } catch (cause) {
    // It was given back since the listing.
    if (cause instanceof ObjectNotFound) return undefined;
    throw cause;
  }
}

async function deadHolders(
  { executions, signal }: { readonly executions: Executions; readonly signal: AbortSignal },
  holders: ReadonlySet<string>,
): Promise<Set<string>> {
  const dead = new Set<string>();
  for (const holder of holders) if (!(await executions.isRunning(holder, { signal }))) dead.add(holder);
  return dead;
}
