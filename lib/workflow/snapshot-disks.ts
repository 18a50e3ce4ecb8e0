/** snapshot-disks: brings the host to the point where its disks can be read, over as many calls as that takes. */

import { z } from 'zod/mini';
import { VaultCorruption, VaultUnavailable } from '#lib/store/failures.ts';
import { HostUnreachable, OperationInProgress, SessionLost, VdiInUse } from '#lib/xapi/failures.ts';
import { HOST_CONNECTION_LIMIT, runRequest } from './backup-input.ts';
import { count, runId, step, vaultEnvironment } from './contract.ts';
import { poolsEnvironment } from './pools-environment.ts';

/** Longest wait between two looks at a host task: long enough to cost little, short enough not to idle. */
export const MAX_WAIT_SECONDS = 60;

export const waitSeconds = z.number().check(z.int(), z.gte(1), z.lte(MAX_WAIT_SECONDS));

export const snapshotDisks = step({
  name: 'snapshot-disks',
  input: runRequest,
  output: z.discriminatedUnion('ready', [
    z.strictObject({
      ready: z.literal(false),
      runId,
      waitSeconds,
      /** What the host is doing, for the person who watches the execution. */
      waitingFor: z.string(),
    }),
    z.strictObject({
      ready: z.literal(true),
      runId,
      disks: count,
      readers: z.number().check(z.int(), z.gte(1), z.lte(HOST_CONNECTION_LIMIT)),
    }),
  ]),
  environment: z.object({ ...vaultEnvironment, ...poolsEnvironment }),
  transient: [HostUnreachable, SessionLost, VaultUnavailable, VaultCorruption],
  occupied: [OperationInProgress, VdiInUse],
  timeoutSeconds: 300,
  memoryMib: 512,
});
