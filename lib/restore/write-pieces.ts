/** Writes a disk to a host in pieces, in the order of the disk, so that the next attempt can begin behind the last one. */

import type { GrainRun } from '#lib/format/grain-bitmap.ts';
import { GRAIN_BYTES, type GrainIndex, grainRunBytes, grainsCovering, indexAfter, MIB } from '#lib/units.ts';
import type { DiskContent } from '#lib/vault/disk-content.ts';
import { HostDisk } from './host-disk.ts';
import type { HostAccess } from './host-transfer.ts';
import { type RestoreProgress, restoreDisk } from './restore-disk.ts';
import { keepProgress, type RestoredDisk } from './restored-objects.ts';

/** Data in one piece: four transfers. At 1 MiB/s, the slowest link that is waited for, it takes four minutes. */
const PIECE_GRAINS = (256 * MIB) / GRAIN_BYTES;
/** Looked at in one go while a piece is measured: 1 GiB of disk. */
const LOOKED_GRAINS = 16_384;

export interface PiecesOptions {
  /** Asked before each piece but the first. */
  readonly mayBegin?: () => boolean;
  readonly onProgress?: (progress: RestoreProgress) => void;
}

export interface WrittenPieces extends RestoreProgress {
  readonly done: boolean;
}

/** Goes on where the host says that the disk is in place up to; `done` is false when `mayBegin` said no. */
export async function writePieces(
  content: DiskContent,
  { access, disk }: { readonly access: HostAccess; readonly disk: RestoredDisk },
  { mayBegin = () => true, onProgress = () => undefined }: PiecesOptions = {},
): Promise<WrittenPieces> {
  const { session, signal } = access;
  const target = new HostDisk(access, disk.ref);
  const end = indexAfter(grainsCovering(content.diskBytes));
  let first = disk.mark.nextGrain;
  let doneBytes = await dataBytesOf(content, { first: 0, end: first });
  let writtenBytes = 0;
  const progress = (within = 0) => ({
    doneBytes: doneBytes + within,
    writtenBytes: writtenBytes + within,
    dataBytes: content.dataBytes,
    diskBytes: content.diskBytes,
  });
  for (let piece = 0; first < end; piece++) {
    if (piece > 0 && !mayBegin()) return { ...progress(), done: false };
    const range = await pieceFrom(content, first);
    const written = await restoreDisk(content, target, {
      range,
      onProgress: (within) => onProgress(progress(within.writtenBytes)),
      ...(signal === undefined ? {} : { signal }),
    });
    await target.flush();
    // Only now is the piece on the disk: a restore that dies here writes it again.
    await keepProgress(session, disk, range.end);
    doneBytes += written.writtenBytes;
    writtenBytes += written.writtenBytes;
    first = range.end;
  }
  onProgress(progress());
  return { ...progress(), done: true };
}

/** The grains from `first` on that hold a piece's data, with the holes between and behind them. */
async function pieceFrom(content: DiskContent, first: GrainIndex): Promise<GrainRun> {
  const end = indexAfter(grainsCovering(content.diskBytes));
  let left = PIECE_GRAINS;
  for (let from = first; from < end; from += LOOKED_GRAINS) {
    for (const run of await content.dataRuns({ first: from, end: Math.min(from + LOOKED_GRAINS, end) })) {
      if (run.end - run.first >= left) return { first, end: run.first + left };
      left -= run.end - run.first;
    }
  }
  return { first, end };
}

async function dataBytesOf(content: DiskContent, range: GrainRun): Promise<number> {
  const runs = await content.dataRuns(range);
  return runs.reduce((sum, { first, end }) => sum + grainRunBytes({ first, count: end - first }, content.diskBytes), 0);
}
