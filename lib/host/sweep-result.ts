/** The result of the newest sweep, kept in the vault so that the report can tell what is left on hosts. */

import { encodeDocument, HEAD, parseDocument } from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { type SweepFindings, type SweepResult, sweepResult } from '#lib/format/sweep-result.ts';
import { ObjectNotFound } from '#lib/store/failures.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';

/** Replaces that of the sweep before. */
export async function keepSweepResult(
  store: ObjectStore,
  { time, removed, left, spared }: SweepFindings,
): Promise<void> {
  await store.put(vaultKeys.lastSweep(), encodeDocument({ ...HEAD, time, removed, left, spared }));
}

/** Undefined in a vault that was never swept. */
export async function readSweepResult(store: ObjectStore): Promise<SweepResult | undefined> {
  const key = vaultKeys.lastSweep();
  try {
    return parseDocument(sweepResult, await store.get(key), key);
  } catch (cause) {
    if (cause instanceof ObjectNotFound) return undefined;
    throw cause;
  }
}
