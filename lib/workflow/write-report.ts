/** write-report: the vault as one HTML page, under the day's name and as the latest. */

import * as z from 'zod/mini';
import { VaultCorruption, VaultUnavailable } from '#lib/store/failures.ts';
import { STORAGE_CLASSES } from './backup-input.ts';
import { count, step, vaultEnvironment } from './contract.ts';
import { jsonText } from './json-text.ts';
import { policySummary } from './policy-summary.ts';

export const writeReport = step({
  name: 'write-report',
  /** In the workflow's definition, where there is room for the lists of names that would not fit into an environment. */
  input: z.object({ policies: jsonText(z.array(policySummary)) }),
  output: z.strictObject({
    /** Key of the page within the vault. */
    page: z.string(),
    pageBytes: count,
    vms: count,
    late: count,
  }),
  environment: z.object({
    ...vaultEnvironment,
    OBJECTIVE_HOURS: z.pipe(z.string().check(z.regex(/^[1-9]\d{0,3}$/)), z.transform(Number)),
    STORAGE_CLASS: z.enum(STORAGE_CLASSES),
  }),
  transient: [VaultUnavailable, VaultCorruption],
  occupied: [],
  // 500 VMs with 400 points each are 200,000 requests, 64 at a time: two minutes at 30 ms each.
  timeoutSeconds: 900,
  // One virtual CPU: such a report takes 16 s of one, and 390 MiB.
  memoryMib: 1769,
});
