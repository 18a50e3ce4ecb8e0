/** finish-restore: makes the VM of disks that are in place, gives everything its name, and reports. */

import * as z from 'zod/mini';
import { count, runId, step, uuid, vaultEnvironment } from './contract.ts';
import { HOST_OCCUPIED } from './host-failures.ts';
import { poolsEnvironment } from './pools-environment.ts';
import { MAX_RESTORED_DISKS, RESTORE_TRANSIENT, restoreRequest } from './restore-input.ts';

/** What verify-range answered about a disk, as far as the report needs it. */
const comparedDisk = z.object({ disk: uuid, comparedBytes: count, unverified: z.optional(z.string()) });

export const finishRestore = step({
  name: 'finish-restore',
  input: z.strictObject({
    ...restoreRequest.shape,
    vm: uuid,
    point: z.string(),
    remarks: z.array(z.string()),
    disks: z.array(comparedDisk).check(z.maxLength(MAX_RESTORED_DISKS)),
  }),
  /** The report, and the output of the execution. */
  output: z.strictObject({
    runId,
    point: z.string(),
    /** Absent when only disks were asked for. */
    restoredVm: z.optional(z.strictObject({ uuid, nameLabel: z.string() })),
    disks: z.array(
      z.strictObject({
        /** The disk of the vault, and the new one on the pool. */
        disk: uuid,
        vdi: uuid,
        nameLabel: z.string(),
        comparedBytes: count,
        unverified: z.optional(z.string()),
      }),
    ),
    remarks: z.array(z.string()),
  }),
  environment: z.object({ ...vaultEnvironment, ...poolsEnvironment }),
  transient: RESTORE_TRANSIENT,
  occupied: HOST_OCCUPIED,
  timeoutSeconds: 900,
  memoryMib: 512,
});
