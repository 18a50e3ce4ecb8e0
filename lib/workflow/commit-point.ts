/** commit-point: receipts -> coverage check -> manifests -> ledger entries -> the VM's restore point. */

import * as z from 'zod/mini';
import { VaultCorruption, VaultUnavailable } from '#lib/store/failures.ts';
import { backupInput } from './backup-input.ts';
import { count, runId, step, vaultEnvironment } from './contract.ts';

export const commitPoint = step({
  name: 'commit-point',
  input: z.strictObject({
    runId,
    request: backupInput,
    /** As split-extents answered. */
    budgetPassed: z.string(),
  }),
  output: z.strictObject({
    runId,
    outcome: z.enum(['committed', 'already-committed', 'lost-race']),
    /** Key of the restore point within the vault; empty when the race was lost. */
    point: z.string(),
    storedBytes: count,
  }),
  environment: z.object(vaultEnvironment),
  transient: [VaultUnavailable, VaultCorruption],
  occupied: [],
  timeoutSeconds: 900,
  memoryMib: 1024,
});
