/** verify-points: whether every restore point still has what it needs, so many disks a call as there is time for. */

import * as z from 'zod/mini';
import { VaultCorruption, VaultUnavailable } from '#lib/store/failures.ts';
import { count, step, vaultEnvironment } from './contract.ts';

export const verifyPoints = step({
  name: 'verify-points',
  /** The first call begins with the first disk. An answer with work left is the next call's input as it is. */
  input: z.object({
    afterDisk: z._default(z.string(), ''),
    disks: z._default(count, 0),
    findings: z._default(count, 0),
  }),
  output: z.strictObject({
    done: z.boolean(),
    /** The last disk that was looked at. */
    afterDisk: z.string(),
    /** Disks with points, over all calls. */
    disks: count,
    /** Objects that are not as they were written, over all calls; the records in the vault name them. */
    findings: count,
  }),
  environment: z.object(vaultEnvironment),
  transient: [VaultUnavailable, VaultCorruption],
  occupied: [],
  timeoutSeconds: 900,
  memoryMib: 1024,
});
