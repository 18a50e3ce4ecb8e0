/** verify-points: whether every restore point still has what it needs, by chain, digests and listed sizes. */

import * as z from 'zod/mini';
import { VaultCorruption, VaultUnavailable } from '#lib/store/failures.ts';
import { count, step, vaultEnvironment } from './contract.ts';

export const verifyPoints = step({
  name: 'verify-points',
  input: z.object({}),
  output: z.strictObject({
    disks: count,
    /** Objects that are not as they were written; the records in the vault name them. */
    findings: count,
  }),
  environment: z.object(vaultEnvironment),
  transient: [VaultUnavailable, VaultCorruption],
  occupied: [],
  timeoutSeconds: 900,
  memoryMib: 1024,
});
