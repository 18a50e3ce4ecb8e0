/** Closings of points, as the vault holds them: the part of a run's cost that came after its point. */

import { type PointClosing, pointClosing } from '#lib/format/call-record.ts';
import { parseDocument } from '#lib/format/document.ts';
import { DamagedObject } from '#lib/format/failures.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { VmPoint } from '#lib/format/point.ts';
import { ObjectNotFound } from '#lib/store/failures.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';

/** Undefined for a run that has not released its host yet, or of a version that kept no closing. */
export async function readClosing(store: ObjectStore, point: VmPoint): Promise<PointClosing | undefined> {
  const key = vaultKeys.closing(point.vm, point);
  try {
    const closing = parseDocument(pointClosing, await store.get(key), key);
    if (closing.run === point.run && closing.vm === point.vm) return closing;
    throw new DamagedObject(`${key} is the closing of run ${closing.run}: it was moved or overwritten; remove it`);
  } catch (failure) {
    if (failure instanceof ObjectNotFound) return undefined;
    throw failure;
  }
}
