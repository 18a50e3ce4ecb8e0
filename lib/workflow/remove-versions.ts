/** remove-versions: deletes for good what a round of plan-collection names; it can read no object. */

import * as z from 'zod/mini';
import { VaultUnavailable } from '#lib/store/failures.ts';
import { step, vaultEnvironment } from './contract.ts';
import { collectionTotals, planCollection } from './plan-collection.ts';

export const removeVersions = step({
  name: 'remove-versions',
  input: planCollection.output,
  output: z.strictObject({ ...collectionTotals, more: z.boolean() }),
  environment: z.object(vaultEnvironment),
  transient: [VaultUnavailable],
  occupied: [],
  timeoutSeconds: 900,
  memoryMib: 512,
});
