/**
 * keep-failure: the first failure of a run's readers, kept in the vault. A distributed map tells only that too many of
 * its children failed; what happened to them stays in executions of their own.
 */

import * as z from 'zod/mini';
import { VaultCorruption, VaultUnavailable } from '#lib/store/failures.ts';
import { runId, step, vaultEnvironment } from './contract.ts';

export const keepFailure = step({
  name: 'keep-failure',
  input: z.strictObject({ runId, error: z.string(), cause: z.string() }),
  /** What was kept first, by whichever reader. */
  output: z.strictObject({ error: z.string().check(z.minLength(1)), cause: z.string() }),
  environment: z.object(vaultEnvironment),
  transient: [VaultUnavailable, VaultCorruption],
  occupied: [],
  timeoutSeconds: 60,
  memoryMib: 256,
});
