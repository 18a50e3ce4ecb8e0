/** Refuses a run before it puts anything on storage that would suffer from it. */

import { parseDiskId } from '#lib/units.ts';
import type { XapiCaller } from '#lib/xapi/session.ts';
import { type SrRecord, spaceOf } from '#lib/xapi/sr.ts';
import type { VdiRecord } from '#lib/xapi/vdi.ts';
import { CHAIN_REFUSED_FILES, countChainFiles } from '#lib/xapi/vhd-chain.ts';
import { findVdiRecord } from './disk-snapshots.ts';
import { ChainNearLimit, StorageNearlyFull } from './failures.ts';

const GIB = 1024 ** 3;

/** Throws StorageNearlyFull or ChainNearLimit; doctor fails by the same limits. */
export async function requireRoom(
  session: XapiCaller,
  { vdi, sr }: { readonly vdi: VdiRecord; readonly sr: SrRecord },
): Promise<void> {
  const space = spaceOf(sr);
  if (space.kind === 'short') {
    throw new StorageNearlyFull(
      `SR ${sr.nameLabel} (${sr.uuid}) of disk ${vdi.nameLabel} (${vdi.uuid}) has ${gibibytes(space.freeBytes)} GiB free, ` +
        `and a snapshot is not taken below ${gibibytes(space.leastBytes)} GiB: what VMs write while it exists needs room. ` +
        'Nothing was changed. Free space on the SR, or move disks to another one.',
      { details: { sr: sr.uuid, freeBytes: space.freeBytes, leastBytes: space.leastBytes } },
    );
  }
  const files = await countChainFiles(vdi, (uuid) => findVdiRecord(session, parseDiskId(uuid)));
  if (files < CHAIN_REFUSED_FILES) return;
  throw new ChainNearLimit(
    `Disk ${vdi.nameLabel} (${vdi.uuid}) on SR ${sr.nameLabel} consists of ${files} VHD files, and from ` +
      `${CHAIN_REFUSED_FILES} on no snapshot is taken: the host refuses them at 30. Nothing was changed. Remove old ` +
      'snapshots and let the host coalesce, which takes hours; look at SMlog if it does not.',
    { details: { disk: vdi.uuid, sr: sr.uuid, files } },
  );
}

function gibibytes(bytes: number): string {
  return (Math.max(bytes, 0) / GIB).toFixed(1);
}
