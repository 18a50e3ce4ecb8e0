/** Restores a disk of a point into a block sink: parallel reads, bounded memory, progress in order of the disk. */

import type { GrainRun } from '#lib/format/grain-bitmap.ts';
import { type Bytes, grainRunBytes, grainsCovering } from '#lib/units.ts';
import type { DiskContent } from '#lib/vault/disk-content.ts';

/** 16 MiB of disk are fetched together; each such piece may take as much memory again for the compressed frames. */
const PIECE_GRAINS = 256;
/** Enough to fill a link whose single connections are slow, and no more than 8 x 32 MiB of memory. */
const PIECES_AT_ONCE = 8;

/** Where restored blocks go. Everything that is not written reads as zeros there. */
export interface BlockSink {
  write(offsetBytes: Bytes, data: Buffer): Promise<void>;
}

export interface RestoreProgress {
  /** Bytes of the disk that are done, holes included. */
  readonly doneBytes: Bytes;
  readonly diskBytes: Bytes;
  readonly writtenBytes: Bytes;
}

export async function restoreImage(
  content: DiskContent,
  sink: BlockSink,
  { onProgress }: { onProgress?: (progress: RestoreProgress) => void } = {},
): Promise<RestoreProgress> {
  const { diskBytes } = content;
  const pieces = diskPieces(diskBytes);
  let doneBytes = 0;
  let writtenBytes = 0;
  const work = async () => {
    for (const piece of pieces) {
      await content.read(piece, async (offsetBytes, data) => {
        await sink.write(offsetBytes, data);
        writtenBytes += data.length;
      });
      doneBytes += grainRunBytes({ first: piece.first, count: piece.end - piece.first }, diskBytes);
      onProgress?.({ doneBytes, diskBytes, writtenBytes });
    }
  };
  // All workers draw from the one iterator, so each piece is taken once and they stay near each other on the disk.
  await Promise.all(Array.from({ length: PIECES_AT_ONCE }, work));
  return { doneBytes, diskBytes, writtenBytes };
}

function* diskPieces(diskBytes: Bytes): Generator<GrainRun, undefined> {
  const grains = grainsCovering(diskBytes);
  for (let first = 0; first < grains; first += PIECE_GRAINS) {
    yield { first, end: Math.min(first + PIECE_GRAINS, grains) };
  }
}
