/** Multipart uploads that nobody will complete: S3 bills their parts until they are aborted. */

import type { Clock } from '#lib/clock.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { MultipartUpload, ObjectStore } from '#lib/store/object-store.ts';
import { parseRunId } from '#lib/units.ts';
import type { Census } from './run-census.ts';

/** A reader of an execution that was stopped goes on for 15 minutes at most, and an upload belongs to one call. */
const READER_LIMIT_MS = 20 * 60_000;
/** A run whose record was tidied away ended long ago: no run is allowed to last longer than a day. */
const UNRECORDED_LIMIT_MS = 2 * 24 * 3_600_000;

const PACK_KEY = /^disks\/[0-9a-f-]{36}\/packs\/([0-9a-f]{16})\/[0-9a-f]{32}\.zst$/;

/** Only uploads of packs, whose key names the run; whatever else is in the bucket is not ours to abort. */
export async function deadUploads(
  { store, clock }: { readonly store: ObjectStore; readonly clock: Clock },
  census: Census,
): Promise<readonly MultipartUpload[]> {
  const nowMs = clock.now().getTime();
  const dead = new Set(census.dead.map(({ record }) => record.run));
  const found: MultipartUpload[] = [];
  for await (const { initiated, ...upload } of store.listMultipartUploads(vaultKeys.disks())) {
    const [, name] = PACK_KEY.exec(upload.key) ?? [];
    if (name === undefined) continue;
    const run = parseRunId(name);
    const over = dead.has(run) || census.records.get(run)?.state === 'released';
    const unrecorded = !census.records.has(run) && !census.alive.has(run);
    const ageMs = nowMs - initiated.getTime();
    if ((over && ageMs > READER_LIMIT_MS) || (unrecorded && ageMs > UNRECORDED_LIMIT_MS)) found.push(upload);
  }
  return found;
}
