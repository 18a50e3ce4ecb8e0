/** watch-points: counts VMs that nobody backed up in time, whatever the reason; runs by itself, beside the workflows. */

import * as z from 'zod/mini';
import { VaultCorruption, VaultUnavailable } from '#lib/store/failures.ts';
import { count, step, vaultEnvironment } from './contract.ts';

/** How often it runs. */
export const WATCH_HOURS = 1;

export const watchPoints = step({
  name: 'watch-points',
  /** What a timer sends says nothing that is needed. */
  input: z.object({}),
  output: z.strictObject({
    vms: count,
    /** Uuids of the VMs without a recent point, the first 50 of them. */
    late: z.array(z.string()),
  }),
  environment: z.object({
    ...vaultEnvironment,
    OBJECTIVE_HOURS: z.pipe(z.string().check(z.regex(/^[1-9]\d{0,3}$/)), z.transform(Number)),
  }),
  transient: [VaultUnavailable, VaultCorruption],
  occupied: [],
  timeoutSeconds: 300,
  memoryMib: 512,
});
