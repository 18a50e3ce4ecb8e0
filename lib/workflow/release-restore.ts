/** release-restore: removes what an unfinished restore has made on the pool; runs after success and failure alike. */

import * as z from 'zod/mini';
import { CredentialUnavailable } from '#lib/credentials/failures.ts';
import { count, runId, step } from './contract.ts';
import { HOST_OCCUPIED, HOST_TRANSIENT } from './host-failures.ts';
import { poolsEnvironment } from './pools-environment.ts';
import { restoreRequest } from './restore-input.ts';

export const releaseRestore = step({
  name: 'release-restore',
  input: restoreRequest,
  /** Objects that were removed; none when the restore is complete. */
  output: z.strictObject({ runId, removed: count }),
  environment: z.object(poolsEnvironment),
  transient: [...HOST_TRANSIENT, CredentialUnavailable],
  occupied: HOST_OCCUPIED,
  timeoutSeconds: 900,
  memoryMib: 512,
});
