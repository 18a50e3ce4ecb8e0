/**
 * The lease of a VM keeps two runs from working on one VM at a time. It only saves time and money: what protects the
 * vault when it fails is the ledger, of which two runs can never both write the same entry.
 */

import * as z from 'zod/mini';
import type { Executions } from '#lib/executions/executions.ts';
import { documentHead, encodeDocument, HEAD, parseDocument, timeField } from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { ObjectNotFound } from '#lib/store/failures.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { VmId } from '#lib/units.ts';
import { RunInProgress } from './failures.ts';

const leaseDocument = z.object({ ...documentHead, holder: z.string(), since: timeField });

export interface LeaseClaim {
  readonly vm: VmId;
  /** The execution that wants to work on the VM. */
  readonly holder: string;
  readonly since: Date;
}

/** Throws RunInProgress while another execution that still runs holds the lease; a dead holder's lease is taken over. */
export async function takeLease(
  { store, executions, signal }: { store: ObjectStore; executions: Executions; signal: AbortSignal },
  claim: LeaseClaim,
): Promise<void> {
  const key = vaultKeys.lease(claim.vm);
  const document = encodeDocument({ ...HEAD, holder: claim.holder, since: claim.since });
  if ((await store.putIfAbsent(key, document)) === 'created') return;
  const holder = await readLeaseHolder(store, claim.vm);
  if (holder === claim.holder) return;
  if (holder !== undefined) {
    if (await executions.isRunning(holder, { signal })) {
      throw new RunInProgress(
        `VM ${claim.vm} is being backed up by ${holder}; wait for it to end or stop it, then start again`,
      );
    }
    await store.delete(key);
  }
  if ((await store.putIfAbsent(key, document)) === 'created') return;
  throw new RunInProgress(`VM ${claim.vm} was claimed by another run at the same moment; start again later`);
}

/** Gives the lease back if it is still the holder's own. */
export async function dropLease(store: ObjectStore, { vm, holder }: { vm: VmId; holder: string }): Promise<void> {
  if ((await readLeaseHolder(store, vm)) === holder) await store.delete(vaultKeys.lease(vm));
}

/** The execution that holds the lease; undefined when nobody does. */
export async function readLeaseHolder(store: ObjectStore, vm: VmId): Promise<string | undefined> {
  const key = vaultKeys.lease(vm);
  try {
    return parseDocument(leaseDocument, await store.get(key), key).holder;
  } catch (cause) {
    if (cause instanceof ObjectNotFound) return undefined;
    throw cause;
  }
}
