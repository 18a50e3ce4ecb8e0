/**
 * Restores a disk from the vault to a sparse raw file, or fetches the same bytes in parallel ranged GETs and throws them
 * away. Usage: restore.ts '{"endpoint":...,"bucket":...,"disk":...,"seq":1,"to":"<path>"}'; without `to` it only fetches.
 */

import { availableParallelism } from 'node:os';
import { vaultKeys } from '#lib/format/keys.ts';
import { restoreRawFile } from '#lib/restore/restore-to-path.ts';
import { UnpackingThreads } from '#lib/restore/unpacking-threads.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { s3Store } from '#lib/store/s3.ts';
import { grainsCovering, indexAfter, parseDiskId } from '#lib/units.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { report } from './spent.ts';

export interface RestoreInput {
  readonly endpoint: string;
  readonly bucket: string;
  readonly disk: string;
  readonly seq: number;
  readonly to?: string;
}

/** As many as a restore's own. */
const GETS_AT_ONCE = 12;

const input: RestoreInput = JSON.parse(process.argv[2] ?? '');
const disk = parseDiskId(input.disk);

await report(async () => {
  using store = s3Store({ bucket: input.bucket, endpoint: input.endpoint });
  return { bytes: input.to === undefined ? await fetchAll(store) : await restore(store, input.to) };
});

async function restore(store: ObjectStore, path: string): Promise<number> {
  await using threads = new UnpackingThreads(Math.max(1, Math.min(4, availableParallelism() - 1)));
  const content = await DiskContent.open(store, { disk, seq: input.seq }, threads);
  return (await restoreRawFile(content, path)).writtenBytes;
}

async function fetchAll(store: ObjectStore): Promise<number> {
  const content = await DiskContent.open(store, { disk, seq: input.seq });
  const reads = content.reads({ first: 0, end: indexAfter(grainsCovering(content.diskBytes)) });
  let bytes = 0;
  const worker = async () => {
    for (let next = await reads.next(); !next.done; next = await reads.next()) {
      const read = next.value;
      const first = read.kind === 'frames' ? read.frames[0]?.place : undefined;
      const last = read.kind === 'frames' ? read.frames.at(-1)?.place : undefined;
      if (read.kind !== 'frames' || first === undefined || last === undefined) throw new Error('the vault is damaged');
      const range = { start: first.offsetBytes, end: last.offsetBytes + last.storedBytes };
      bytes += (await store.get(vaultKeys.pack(disk, read.entry), { range })).length;
    }
  };
  await Promise.all(Array.from({ length: GETS_AT_ONCE }, worker));
  return bytes;
}
