/** Reads a pack from its first byte to its last and compares it with everything that is known of it. */

import { crc32 } from 'node:zlib';
import { DamagedObject } from '#lib/format/failures.ts';
import { decodeFrame } from '#lib/format/frame.ts';
import { grainDigest } from '#lib/format/grain-content.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { PackEntry } from '#lib/format/manifest.ts';
import { indexFromPack } from '#lib/format/pack.ts';
import type { FramePlace, PackIndex } from '#lib/format/pack-index.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { type Bytes, type DiskId, GRAIN_BYTES, MIB } from '#lib/units.ts';
import { PackIndexes } from '#lib/vault/pack-indexes.ts';

/** Frames fetched together: large enough that requests cost nothing, small enough for any machine. */
const FETCH_BYTES = 16 * MIB;

/** Throws DamagedObject, ObjectNotFound or RangeNotSatisfiable for a pack that is not, byte for byte, as it was written. */
export async function readWholePack(store: ObjectStore, disk: DiskId, entry: PackEntry): Promise<void> {
  const key = vaultKeys.pack(disk, entry);
  const index = await new PackIndexes(store, disk).get(entry);
  let sum = 0;
  for (const group of frameGroups(index)) {
    const [first, last] = [group[0], group.at(-1)];
    if (first === undefined || last === undefined) continue;
    const start = first.offsetBytes;
    const bytes = await store.get(key, { range: { start, end: last.offsetBytes + last.storedBytes } });
    sum = crc32(bytes, sum);
    for (const frame of group) checkFrame(bytes.subarray(frame.offsetBytes - start), { frame, index, key });
  }
  const tail = await store.get(key, { range: { start: index.framesBytes, end: entry.bytes } });
  sum = crc32(tail, sum);
  if (sum !== entry.crc32) throw new DamagedObject(`pack ${key} has another CRC32 than when it was written`);
  if (!indexFromPack(tail, key).toBytes().equals(index.toBytes())) {
    throw new DamagedObject(`pack ${key} carries another index than the one beside it`);
  }
}

function checkFrame(from: Buffer, { frame, index, key }: { frame: FramePlace; index: PackIndex; key: string }): void {
  const where = `frame ${frame.frame} of pack ${key}`;
  const content = decodeFrame(from.subarray(0, frame.storedBytes), { grains: frame.grains, where });
  for (let grain = 0; grain < frame.grains; grain++) {
    const bytes = content.subarray(grain * GRAIN_BYTES, (grain + 1) * GRAIN_BYTES);
    if (grainDigest(bytes).equals(index.digestOf(frame.firstSlot + grain))) continue;
    throw new DamagedObject(`grain ${grain} in ${where} has another digest than its index says`);
  }
}

function* frameGroups(index: PackIndex): Generator<FramePlace[]> {
  let group: FramePlace[] = [];
  let groupBytes: Bytes = 0;
  for (let frame = 0; frame < index.frames; frame++) {
    const place = index.frameAt(frame);
    group.push(place);
    groupBytes += place.storedBytes;
    if (groupBytes < FETCH_BYTES) continue;
    yield group;
    group = [];
    groupBytes = 0;
  }
  if (group.length > 0) yield group;
}
