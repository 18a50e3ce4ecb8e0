/** The documents of a run as the store holds them. */

import { parseDocument } from '#lib/format/document.ts';
import { DamagedObject } from '#lib/format/failures.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { type DiskPlan, type RunPlan, runPlan } from '#lib/format/plan.ts';
import { PlannedGrains } from '#lib/format/planned-grains.ts';
import { type Receipt, receipt } from '#lib/format/receipt.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { grainsCovering, type RunId } from '#lib/units.ts';

/** Receipts are fetched this many at a time: each takes a round trip and about 20 KiB. */
const FETCHES_AT_ONCE = 16;
/** The workflow hands a shard on 64 times at most; a store that says yes to every question ends here. */
const MAX_PARTS = 1_000;

export async function readPlan(store: ObjectStore, run: RunId): Promise<RunPlan> {
  const key = vaultKeys.plan(run);
  const plan = parseDocument(runPlan, await store.get(key), key);
  if (plan.run !== run) throw new DamagedObject(`${key} is the plan of run ${plan.run}: it was moved or overwritten`);
  return plan;
}

/** The grains that the run reads of a disk. Throws DamagedObject when they are not those that the plan was made with. */
export async function readPlannedGrains(
  store: ObjectStore,
  run: RunId,
  { disk, diskBytes, bitmapSha256 }: DiskPlan,
): Promise<PlannedGrains> {
  const key = vaultKeys.bitmap(run, disk);
  return PlannedGrains.parse(await store.get(key), { key, grains: grainsCovering(diskBytes), sha256: bitmapSha256 });
}

/** The receipt of a part. Throws ObjectNotFound, or DamagedObject for the receipt of another part. */
export async function readReceipt(
  store: ObjectStore,
  run: RunId,
  place: { readonly shard: number; readonly part: number },
): Promise<Receipt> {
  return readReceiptAt(store, run, vaultKeys.receipt(run, place));
}

async function readReceiptAt(store: ObjectStore, run: RunId, key: string): Promise<Receipt> {
  const found = parseDocument(receipt, await store.get(key), key);
  if (found.run !== run || vaultKeys.receipt(run, found) !== key) {
    throw new DamagedObject(`${key} is of run ${found.run}, shard ${found.shard}: it was moved or overwritten`);
  }
  return found;
}

/** Receipts of one shard, in order of their parts: what earlier calls and attempts have done already. */
export async function readShardReceipts(store: ObjectStore, run: RunId, shard: number): Promise<Receipt[]> {
  const receipts: Receipt[] = [];
  while (receipts.length < MAX_PARTS) {
    const key = vaultKeys.receipt(run, { shard, part: receipts.length });
    if ((await store.head(key)) === undefined) return receipts;
    receipts.push(await readReceiptAt(store, run, key));
  }
  throw new DamagedObject(`shard ${shard} of run ${run} has more than ${MAX_PARTS} receipts; no run writes so many`);
}

/** All receipts of a run, in order of shard and part. */
export async function readReceipts(store: ObjectStore, run: RunId): Promise<Receipt[]> {
  const keys: string[] = [];
  for await (const object of store.list(vaultKeys.receipts(run))) keys.push(object.key);
  const receipts: Receipt[] = [];
  for (let i = 0; i < keys.length; i += FETCHES_AT_ONCE) {
    const keysNow = keys.slice(i, i + FETCHES_AT_ONCE);
    receipts.push(...(await Promise.all(keysNow.map((key) => readReceiptAt(store, run, key)))));
  }
  return receipts;
}
