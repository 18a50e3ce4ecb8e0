/** Keeps the host's description of the VM in the vault: what a restore of the whole VM makes it from. */

import { vaultKeys } from '#lib/format/keys.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { RunId, VmId } from '#lib/units.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { findVm } from '#lib/xapi/vm.ts';
import { exportVmMetadata } from '#lib/xapi/vm-metadata.ts';

export interface MetadataRun {
  readonly session: XapiSession;
  readonly vm: VmId;
  readonly run: RunId;
  readonly signal: AbortSignal;
}

/** Answers with the key. A second call of the same run keeps what the first one stored. */
export async function keepVmMetadata(store: ObjectStore, { session, vm, run, signal }: MetadataRun): Promise<string> {
  const key = vaultKeys.vmMetadata(vm, run);
  await store.putIfAbsent(key, await exportVmMetadata(session, await findVm(session, vm), signal));
  return key;
}
