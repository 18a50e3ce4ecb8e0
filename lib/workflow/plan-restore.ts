/** plan-restore: which disks of which point go where; examines the pool and makes the empty disks there. */

import * as z from 'zod/mini';
import { runId, step, uuid, vaultEnvironment } from './contract.ts';
import { HOST_OCCUPIED } from './host-failures.ts';
import { poolsEnvironment } from './pools-environment.ts';
import { MAX_RESTORED_DISKS, RESTORE_TRANSIENT, restoredDisk, restoreRequest } from './restore-input.ts';

/** Sentences about what the VM will lack; each is about 150 characters long. */
const MAX_REMARKS = 50;

export const planRestore = step({
  name: 'plan-restore',
  input: restoreRequest,
  output: z.strictObject({
    runId,
    vm: uuid,
    /** The point's full name: `latest` may be another one when the restore ends. */
    point: z.string(),
    disks: z.array(restoredDisk).check(z.maxLength(MAX_RESTORED_DISKS)),
    remarks: z.array(z.string()).check(z.maxLength(MAX_REMARKS)),
  }),
  environment: z.object({ ...vaultEnvironment, ...poolsEnvironment }),
  transient: RESTORE_TRANSIENT,
  occupied: HOST_OCCUPIED,
  timeoutSeconds: 900,
  memoryMib: 512,
});
