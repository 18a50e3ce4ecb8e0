/** prune-points: lets restore points go that no retention rule keeps, so many VMs a call as there is time for. */

import * as z from 'zod/mini';
import { retentionPolicy } from '#lib/retention/policy.ts';
import { VaultCorruption, VaultUnavailable } from '#lib/store/failures.ts';
import { count, step, vaultEnvironment } from './contract.ts';
import { jsonText } from './json-text.ts';

export const prunePoints = step({
  name: 'prune-points',
  /** The first call begins with the first VM. An answer with work left is the next call's input as it is. */
  input: z.object({ afterVm: z._default(z.string(), ''), letGo: z._default(count, 0) }),
  output: z.strictObject({
    done: z.boolean(),
    /** The last VM that was looked at. */
    afterVm: z.string(),
    /** Restore points that were let go, over all calls. */
    letGo: count,
  }),
  environment: z.object({
    ...vaultEnvironment,
    /** By the name of a policy, its rules. Points of a policy that is not here stay. */
    RETENTION: jsonText(z.record(z.string(), retentionPolicy)),
  }),
  transient: [VaultUnavailable, VaultCorruption],
  occupied: [],
  timeoutSeconds: 900,
  memoryMib: 1024,
});
