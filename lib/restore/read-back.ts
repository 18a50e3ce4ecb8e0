/** Reads a restored disk again by another path than the one that wrote it, and compares every grain with its digest. */

import type { BlockSource } from '#lib/backup/block-source.ts';
import type { PoolSettings } from '#lib/backup/host-access.ts';
import { nbdExports } from '#lib/backup/nbd-exports.ts';
import { type ExportPorts, openExport } from '#lib/backup/open-export.ts';
import {
  type Bytes,
  type DiskId,
  type GrainIndex,
  grainOffsetBytes,
  grainRunBytes,
  grainsCovering,
  indexAfter,
} from '#lib/units.ts';
import type { DiskContent } from '#lib/vault/disk-content.ts';
import type { FrameRead, GrainPlace } from '#lib/vault/frame-reads.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { TargetCorrupted } from './failures.ts';

/** Compared between two looks at the time: 256 MiB of disk, two minutes at the slowest rate that is waited for. */
const SLICE_GRAINS = 4_096;

export interface ReadBackOptions {
  /** Where an earlier call stopped. */
  readonly first?: GrainIndex;
  /** Asked before each slice but the first. */
  readonly mayBegin?: () => boolean;
  readonly signal?: AbortSignal;
}

export interface ReadBack {
  /** The first grain that was not compared; behind the last one when all were. */
  readonly next: GrainIndex;
  readonly comparedBytes: Bytes;
}

/** Holes are not read: the disk was made empty. Throws TargetCorrupted, and whatever the source cannot do. */
export async function readBack(
  content: DiskContent,
  source: BlockSource,
  { first = 0, mayBegin = () => true, signal }: ReadBackOptions = {},
): Promise<ReadBack> {
  const end = indexAfter(grainsCovering(content.diskBytes));
  let comparedBytes = 0;
  for (let next = first; next < end; next += SLICE_GRAINS) {
    if (next > first && !mayBegin()) return { next, comparedBytes };
    for await (const read of content.reads({ first: next, end: Math.min(next + SLICE_GRAINS, end) })) {
      signal?.throwIfAborted();
      if (read.kind === 'lost') throw read.failure;
      const places = read.frames.flatMap((frame) => frame.grains);
      // A read is at most 8 MiB, and the connection bounds its own requests.
      const sizes = await Promise.all(places.map((place) => comparedPlace(content, source, { read, place })));
      comparedBytes += sizes.reduce((sum, bytes) => sum + bytes, 0);
    }
  }
  return { next: end, comparedBytes };
}

async function comparedPlace(
  content: DiskContent,
  source: BlockSource,
  { read, place }: { readonly read: FrameRead; readonly place: GrainPlace },
): Promise<Bytes> {
  const data = Buffer.alloc(grainRunBytes(place, content.diskBytes));
  const offsetBytes = grainOffsetBytes(place.first);
  await source.readInto(offsetBytes, data);
  if (content.holds(read, place, data)) return data.length;
  throw new TargetCorrupted(
    `Within bytes ${offsetBytes}-${offsetBytes + data.length - 1} of the restored disk ${content.disk} other bytes came ` +
      'back than were written; check the storage that it is on',
  );
}

export interface RestoredExport {
  /** UUID of the disk on the host. */
  readonly vdi: DiskId;
  readonly pool: Pick<PoolSettings, 'name' | 'nbd'>;
  readonly connect: ExportPorts['connect'];
  readonly signal: AbortSignal;
}

/** The disk over NBD, where nothing has written it. Throws NbdNotOffered when the pool has no network for that. */
export async function openRestored(session: XapiSession, disk: RestoredExport): Promise<BlockSource> {
  const { vdi, pool, connect, signal } = disk;
  const exports = await nbdExports(session, { disk: vdi, vdi, pool });
  return await openExport({ disks: [{ disk: vdi, exports }] }, vdi, { connect, signal });
}
