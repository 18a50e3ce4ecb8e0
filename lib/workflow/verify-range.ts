/** verify-range: what the host has, read over NBD and compared with the vault's digests; called again until all is. */

import * as z from 'zod/mini';
import { ExportRefused, HostBusy, NbdConnectionLost, NbdReadFailed } from '#lib/nbd/failures.ts';
import { count, step, vaultEnvironment } from './contract.ts';
import { HOST_OCCUPIED } from './host-failures.ts';
import { poolsEnvironment } from './pools-environment.ts';
import { RESTORE_TRANSIENT, restoredDisk } from './restore-input.ts';

const comparison = z.object({
  ...restoredDisk.shape,
  /** The first grain that was not compared; absent before the first call. */
  nextGrain: z.optional(count),
  comparedBytes: z.optional(count),
});

export const verifyRange = step({
  name: 'verify-range',
  input: comparison,
  output: z.strictObject({
    ...comparison.shape,
    done: z.boolean(),
    nextGrain: count,
    comparedBytes: count,
    /** Why the disk cannot be read back at all; everything else that goes wrong is a failure. */
    unverified: z.optional(z.string()),
  }),
  environment: z.object({ ...vaultEnvironment, ...poolsEnvironment }),
  transient: [...RESTORE_TRANSIENT, NbdConnectionLost, ExportRefused, NbdReadFailed],
  occupied: [...HOST_OCCUPIED, HostBusy],
  timeoutSeconds: 900,
  memoryMib: 1024,
});
