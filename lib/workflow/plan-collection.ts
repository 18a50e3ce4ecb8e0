/** plan-collection: which versions of packs, indexes and manifests no restore point needs; it can delete none of them. */

import * as z from 'zod/mini';
import { VaultCorruption, VaultUnavailable } from '#lib/store/failures.ts';
import { count, step, vaultEnvironment } from './contract.ts';

/**
 * Rounds of one upkeep: 300 rounds of 12 events each stay below the 5,000 that a history may have, and take away 75,000
 * versions. What is left waits for the next day.
 */
export const MAX_COLLECTION_ROUNDS = 300;
/** Versions of one round; 250 of them are 40 KB of the 64 that a state may hold. */
export const MAX_ROUND_VERSIONS = 250;

/** Totals over all rounds, handed from state to state. */
export const collectionTotals = {
  /** How far the rounds have come. */
  afterVersion: z.string(),
  rounds: count,
  removed: count,
  /** Versions that a lock kept. */
  held: count,
  /** Disks passed over because what their points need could not be read. */
  stopped: count,
};

export const versionName = z.strictObject({ key: z.string(), versionId: z.string() });

export const planCollection = step({
  name: 'plan-collection',
  /** The first round has nothing to go on with. */
  input: z.object({
    afterVersion: z._default(z.string(), ''),
    rounds: z._default(count, 0),
    removed: z._default(count, 0),
    held: z._default(count, 0),
    stopped: z._default(count, 0),
  }),
  output: z.strictObject({
    ...collectionTotals,
    remove: z.array(versionName).check(z.maxLength(MAX_ROUND_VERSIONS)),
    /** Whether another round is due after this one. */
    more: z.boolean(),
  }),
  environment: z.object(vaultEnvironment),
  transient: [VaultUnavailable, VaultCorruption],
  occupied: [],
  timeoutSeconds: 900,
  memoryMib: 1024,
});
