/** A restore point of a VM with one disk, for tests that write the disk straight into a store. */

import { randomBytes, randomUUID } from 'node:crypto';
import { encodeDocument, HEAD } from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { parseRunId, parseVmId } from '#lib/units.ts';
import type { VaultDisk } from './vault-disk.ts';

/** Answers with the VM's uuid. */
export async function addLonePoint(store: ObjectStore, { disk, diskBytes }: VaultDisk, seq: number): Promise<string> {
  const vm = parseVmId(randomUUID());
  const run = parseRunId(randomBytes(8).toString('hex'));
  const time = new Date(Date.UTC(2026, 0, 1, seq));
  const counts = { plannedBytes: 0, dataGrains: 0, zeroGrains: 0, unchangedGrains: 0, storedBytes: 0 };
  const point = {
    ...HEAD,
    requires: [],
    vm,
    vmName: 'web',
    pool: 'lab',
    run,
    execution: 'test',
    time,
    finished: time,
    disks: [{ disk, seq, name: 'root', device: '0', bootable: true, diskBytes, kind: 'full', ...counts }],
    measured: { nbdBytes: 0, nbdRequests: 0, readerMs: 0 },
  };
  await store.put(vaultKeys.point(vm, { time, run }), encodeDocument(point));
  return vm;
}
