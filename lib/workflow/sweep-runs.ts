/** sweep-runs: takes away what runs that died have left on the pools and in the vault. */

import * as z from 'zod/mini';
import { CredentialUnavailable } from '#lib/credentials/failures.ts';
import { ExecutionLookupUnavailable } from '#lib/executions/failures.ts';
import { VaultCorruption, VaultUnavailable } from '#lib/store/failures.ts';
import { count, step, vaultEnvironment } from './contract.ts';
import { HOST_OCCUPIED, HOST_TRANSIENT } from './host-failures.ts';
import { poolsEnvironment } from './pools-environment.ts';

export const sweepRuns = step({
  name: 'sweep-runs',
  /** It looks at everything there is; what starts it has nothing to say. */
  input: z.object({}),
  output: z.strictObject({
    removed: count,
    /** What had to stay, and what could not be looked at: the next sweep tries again. */
    left: count,
  }),
  environment: z.object({ ...vaultEnvironment, ...poolsEnvironment }),
  transient: [...HOST_TRANSIENT, CredentialUnavailable, ExecutionLookupUnavailable, VaultUnavailable, VaultCorruption],
  occupied: HOST_OCCUPIED,
  timeoutSeconds: 900,
  memoryMib: 512,
});
