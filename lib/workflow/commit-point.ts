/** commit-point: receipts -> coverage check -> manifests -> ledger entries -> the VM's restore point. */

import * as z from 'zod/mini';
import { SigningUnavailable } from '#lib/signing/failures.ts';
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
  environment: z.object({
    ...vaultEnvironment,
    /** ARN of the KMS key that signs the heads of ledgers, or `none`. */
    SIGNING_KEY: z.string().check(z.regex(/^none$|^arn:/)),
    /** Path of a private key that signs instead, where the function runs on a machine of the user's. */
    SIGNING_KEY_FILE: z.optional(z.string()),
  }),
  transient: [VaultUnavailable, VaultCorruption, SigningUnavailable],
  occupied: [],
  timeoutSeconds: 900,
  memoryMib: 1024,
});
