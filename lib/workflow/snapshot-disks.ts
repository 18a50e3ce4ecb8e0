/** snapshot-disks: brings the host to the point where its disks can be read, over as many calls as that takes. */

import * as z from 'zod/mini';
import { CredentialUnavailable } from '#lib/credentials/failures.ts';
import { ExecutionLookupUnavailable } from '#lib/executions/failures.ts';
import { VaultCorruption, VaultUnavailable } from '#lib/store/failures.ts';
import { HOST_CONNECTION_LIMIT, LOCK_MODES, runRequest, STORAGE_CLASSES } from './backup-input.ts';
import { count, runId, step, vaultEnvironment } from './contract.ts';
import { HOST_OCCUPIED, HOST_TRANSIENT } from './host-failures.ts';
import { poolsEnvironment } from './pools-environment.ts';
import { waiting } from './waiting.ts';

export const snapshotDisks = step({
  name: 'snapshot-disks',
  input: runRequest,
  output: z.discriminatedUnion('ready', [
    z.strictObject({
      ready: z.literal(false),
      runId,
      ...waiting.shape,
    }),
    z.strictObject({
      ready: z.literal(true),
      runId,
      disks: count,
      readers: z.number().check(z.int(), z.gte(1), z.lte(HOST_CONNECTION_LIMIT)),
    }),
  ]),
  environment: z.object({
    ...vaultEnvironment,
    ...poolsEnvironment,
    /** What a request gets that does not choose for itself. */
    STORAGE_CLASS: z.enum(STORAGE_CLASSES),
    /** How runs lock what they write; how long follows from the request's retention. */
    OBJECT_LOCK: z.enum(['off', ...LOCK_MODES]),
    READERS: z.pipe(z.string().check(z.regex(/^([1-9]|1[0-6])$/)), z.transform(Number)),
  }),
  transient: [...HOST_TRANSIENT, CredentialUnavailable, ExecutionLookupUnavailable, VaultUnavailable, VaultCorruption],
  occupied: HOST_OCCUPIED,
  timeoutSeconds: 300,
  memoryMib: 512,
});
