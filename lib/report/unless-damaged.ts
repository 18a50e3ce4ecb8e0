/** Reading for the report, which tells of everything that can be read. */

import { DamagedObject } from '#lib/format/failures.ts';
import { ObjectNotFound } from '#lib/store/failures.ts';

/**
 * Undefined where a ledger or a manifest is missing or damaged. Verification tells of that, in this page and by an alarm;
 * a page that could not be written because of one disk would tell of nothing.
 */
export async function unlessDamaged<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (failure) {
    if (failure instanceof ObjectNotFound || failure instanceof DamagedObject) return undefined;
    throw failure;
  }
}
