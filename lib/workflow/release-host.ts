/** release-host: takes everything off the host again, on success and on failure alike. */

import { z } from 'zod/mini';
import { VaultCorruption, VaultUnavailable } from '#lib/store/failures.ts';
import { HostUnreachable, OperationInProgress, SessionLost, VdiInUse } from '#lib/xapi/failures.ts';
import { runRequest } from './backup-input.ts';
import { count, runId, step, vaultEnvironment } from './contract.ts';
import { poolsEnvironment } from './pools-environment.ts';
import { waitSeconds } from './snapshot-disks.ts';

export const releaseHost = step({
  name: 'release-host',
  input: runRequest,
  output: z.discriminatedUnion('released', [
    z.strictObject({
      released: z.literal(false),
      runId,
      waitSeconds,
      /** What the host is doing, for the person who watches the execution. */
      waitingFor: z.string(),
    }),
    z.strictObject({
      released: z.literal(true),
      runId,
      /** Objects taken off the host: snapshots, attachments, old metadata. */
      removed: count,
      /** Objects that could not be removed; the sweeper comes back for them. */
      left: count,
    }),
  ]),
  environment: z.object({ ...vaultEnvironment, ...poolsEnvironment }),
  transient: [HostUnreachable, SessionLost, VaultUnavailable, VaultCorruption],
  occupied: [OperationInProgress, VdiInUse],
  timeoutSeconds: 300,
  memoryMib: 512,
});
