/** What a reader finds in the vault when a run has been planned: plan, bitmap and connection of one disk. */

import { randomBytes, randomUUID } from 'node:crypto';
import { writeConnection } from '#lib/backup/connection-document.ts';
import { cutShards } from '#lib/backup/shards.ts';
import { encodeDocument, HEAD } from '#lib/format/document.ts';
import type { GrainBitmap } from '#lib/format/grain-bitmap.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { RunPlan, Shard } from '#lib/format/plan.ts';
import { PlannedGrains } from '#lib/format/planned-grains.ts';
import { Secret } from '#lib/secret.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { type Bytes, parseDiskId, parseRunId, parseVmId } from '#lib/units.ts';
import type { NbdAddress } from './nbd-source.ts';

interface DiskToRead {
  readonly address: NbdAddress;
  readonly diskBytes: Bytes;
  readonly planned: GrainBitmap;
  readonly readers: number;
}

/** Writes the documents and answers with the shards that a run with so many readers would cut. */
export async function planReaderJob(
  store: ObjectStore,
  { address, diskBytes, planned, readers }: DiskToRead,
): Promise<Shard[]> {
  const run = parseRunId(randomBytes(8).toString('hex'));
  const disk = parseDiskId(randomUUID());
  const time = new Date();
  const plan: RunPlan = {
    ...HEAD,
    requires: [],
    run,
    vm: parseVmId(randomUUID()),
    vmName: 'bench',
    pool: 'bench',
    execution: 'bench',
    started: time,
    readers,
    disks: [
      {
        disk,
        name: 'disk',
        device: '0',
        bootable: true,
        diskBytes,
        snapshot: disk,
        snapshotTime: time,
        sr: 'bench',
        changedBlocks: true,
        kind: 'full',
        plannedGrains: planned.count(),
      },
    ],
  };
  await store.put(vaultKeys.plan(run), encodeDocument(plan));
  await store.put(vaultKeys.bitmap(run, disk), planned.toBytes());
  const { port, certificatePem, subject } = address;
  const security = { kind: 'tls', certificatePem, subject } as const;
  const exports = [{ address: '127.0.0.1', port, exportName: new Secret('disk'), security }];
  const session = new Secret('bench');
  const head = { ...HEAD, requires: [], run, execution: 'bench', pool: 'bench' };
  await writeConnection(store, { ...head, session, disks: [{ disk, exports }] });
  return cutShards(run, [{ disk, planned: new PlannedGrains(planned) }], readers);
}
