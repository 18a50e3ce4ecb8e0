/** write-range: a disk from the vault to the host, from where it is in place on; called again until all of it is. */

import * as z from 'zod/mini';
import { count, step, vaultEnvironment } from './contract.ts';
import { HOST_OCCUPIED } from './host-failures.ts';
import { poolsEnvironment } from './pools-environment.ts';
import { RESTORE_TRANSIENT, restoredDisk } from './restore-input.ts';

export const writeRange = step({
  name: 'write-range',
  input: restoredDisk,
  output: z.strictObject({
    ...restoredDisk.shape,
    done: z.boolean(),
    /** Of data, over all calls, this one's included. */
    doneBytes: count,
    dataBytes: count,
  }),
  environment: z.object({ ...vaultEnvironment, ...poolsEnvironment }),
  transient: RESTORE_TRANSIENT,
  occupied: HOST_OCCUPIED,
  timeoutSeconds: 900,
  memoryMib: 1769,
});
