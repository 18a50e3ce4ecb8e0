/** Storage repositories and what their drivers can do. */

import * as z from 'zod/mini';
import type { XapiCaller } from './session.ts';
import { integer, type SrRef, srRef, textMap, texts } from './wire-types.ts';

const srRecord = z.pipe(
  z.object({
    uuid: z.string(),
    name_label: z.string(),
    type: z.string(),
    shared: z.boolean(),
    physical_size: integer,
    physical_utilisation: integer,
    allowed_operations: texts,
    other_config: textMap,
    tags: texts,
  }),
  z.transform((wire) => ({
    uuid: wire.uuid,
    nameLabel: wire.name_label,
    /** Name of the driver: `ext`, `lvmoiscsi`, `nfs` … */
    type: wire.type,
    shared: wire.shared,
    /** Bytes; 0 or -1 where the driver does not know. */
    physicalBytes: wire.physical_size,
    usedBytes: wire.physical_utilisation,
    /** What may be started now: nearly nothing while any operation runs on the SR. Not a list of abilities. */
    allowedOperations: wire.allowed_operations,
    otherConfig: wire.other_config,
    tags: wire.tags,
  })),
);

export type SrRecord = z.output<typeof srRecord>;

/** Snapshots and coalescing need room, and an SR without any stops all VMs that write to it. */
const LEAST_FREE_SHARE = 0.02;
/** Beyond this a share says nothing about safety: 2 % of 100 TiB are 2 TiB. */
const LEAST_FREE_MAX_BYTES = 64 * 1024 ** 3;

export type SrSpace =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'enough' | 'short'; readonly freeBytes: number; readonly leastBytes: number };

/** Whether there is room for the snapshots of a backup; unknown where the driver does not say how large the SR is. */
export function spaceOf({ physicalBytes, usedBytes }: SrRecord): SrSpace {
  if (physicalBytes <= 0) return { kind: 'unknown' };
  const freeBytes = physicalBytes - usedBytes;
  const leastBytes = Math.min(Math.ceil(physicalBytes * LEAST_FREE_SHARE), LEAST_FREE_MAX_BYTES);
  return { kind: freeBytes < leastBytes ? 'short' : 'enough', freeBytes, leastBytes };
}

export function readSr(session: XapiCaller, sr: SrRef): Promise<SrRecord> {
  return session.read('SR.get_record', [sr], srRecord);
}

export function findSr(session: XapiCaller, uuid: string): Promise<SrRef> {
  return session.read('SR.get_by_uuid', [uuid], srRef);
}

const smRecords = z.record(z.string(), z.object({ type: z.string(), features: z.record(z.string(), z.unknown()) }));

/** The feature that a driver with changed block tracking advertises. */
const CBT_FEATURE = 'VDI_CONFIG_CBT';

/**
 * The SR types whose driver tracks changed blocks. Drivers say it for good, unlike `allowed_operations`, which lose the
 * CBT operations while anything runs on the SR.
 */
export async function readSrTypesWithCbt(session: XapiCaller): Promise<ReadonlySet<string>> {
  const drivers = Object.values(await session.read('SM.get_all_records', [], smRecords));
  return new Set(drivers.filter((driver) => CBT_FEATURE in driver.features).map((driver) => driver.type));
}
