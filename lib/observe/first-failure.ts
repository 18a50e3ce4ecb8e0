/** The use case of the state keep-failure: of all failures of a run's readers the first one explains the run. */

import * as z from 'zod/mini';
import { documentHead, encodeDocument, HEAD, parseDocument } from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { RunId } from '#lib/units.ts';

export interface NamedFailure {
  readonly error: string;
  readonly cause: string;
}

const keptFailure = z.object({ ...documentHead, error: z.string(), cause: z.string() });

/**
 * Answers with the failure that came first, which is `failure` itself if no other was kept before. The map brings its own
 * error last: it stays only when its children could tell nothing.
 */
export async function keepFirstFailure(store: ObjectStore, run: RunId, failure: NamedFailure): Promise<NamedFailure> {
  const key = `${vaultKeys.results(run)}failure.json`;
  if ((await store.putIfAbsent(key, encodeDocument({ ...HEAD, ...failure }))) === 'created') return failure;
  const { error, cause } = parseDocument(keptFailure, await store.get(key), key);
  return { error, cause };
}
