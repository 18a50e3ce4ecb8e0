/** Takes everything that one run made off the host, as planned for each of its disks. */

import { Failure } from '#lib/failure.ts';
import { ObjectNotFound } from '#lib/store/failures.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { readVault } from '#lib/vault/vault-document.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { BASE_STAYS, planClearing, type SnapshotFate } from './clearing-plan.ts';
import type { HostTime } from './host-access.ts';
import { type RunRecord, saveRunRecord } from './run-record.ts';
import { SnapshotRemoval } from './snapshot-removal.ts';

export interface ClearPorts extends HostTime {
  readonly store: ObjectStore;
}

export interface ClearedRun {
  readonly record: RunRecord;
  /** What the host is still using: worth another try in a few seconds. */
  readonly busy: readonly string[];
}

/**
 * The record's proof is saved also when the host fails in the middle, so that the next try goes on counting.
 * `evict` takes snapshots away from NBD clients that have vanished.
 */
export async function clearRun(
  ports: ClearPorts,
  run: { readonly session: XapiSession; readonly record: RunRecord; readonly evict: boolean },
): Promise<ClearedRun> {
  const { session, record, evict } = run;
  const vault = await vaultId(ports.store);
  const removal = new SnapshotRemoval(session, ports);
  const kept: SnapshotFate[] = [];
  const beingMade: string[] = [];
  try {
    for (const disk of record.disks) {
      const plan = await planClearing({ store: ports.store, session, vault, record }, disk);
      if (plan.beingMade) beingMade.push(`the snapshot of ${disk.disk}, which is still being made`);
      for (const fate of plan.fates) await carryOut(removal, fate, evict);
      kept.push(...plan.fates.filter(({ kind }) => kind === 'keep'));
    }
  } catch (failure) {
    if (failure instanceof Failure) await saveRunRecord(ports.store, proofOf(record, { removal, kept }));
    throw failure;
  }
  return { record: proofOf(record, { removal, kept }), busy: [...removal.busy, ...beingMade] };
}

export async function carryOut(removal: SnapshotRemoval, fate: SnapshotFate, evict: boolean): Promise<void> {
  if (evict) await removal.detach(fate.snapshot);
  if (fate.kind === 'keep') await removal.keepAsBase(fate.snapshot);
  else await removal.destroy(fate.snapshot);
}

/** A vault that was never made has no marks on any host. */
async function vaultId(store: ObjectStore): Promise<string> {
  try {
    return (await readVault(store)).vault;
  } catch (failure) {
    if (failure instanceof ObjectNotFound) return '';
    throw failure;
  }
}

/** The record with what was done: taken off so far, what stays and why, and what could not be removed this time. */
export function proofOf(
  record: RunRecord,
  done: { readonly removal: SnapshotRemoval; readonly kept: readonly SnapshotFate[] },
): RunRecord {
  return {
    ...record,
    removed: [...record.removed, ...done.removal.removed],
    stays: done.kept.map(({ snapshot }) => ({ what: `CBT metadata ${snapshot}`, why: BASE_STAYS })),
    left: [...done.removal.left],
  };
}
