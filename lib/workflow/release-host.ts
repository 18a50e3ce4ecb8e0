/** release-host: takes everything off the host again, on success and on failure alike. */

import * as z from 'zod/mini';
import { CredentialUnavailable } from '#lib/credentials/failures.ts';
import { VaultCorruption, VaultUnavailable } from '#lib/store/failures.ts';
import { runRequest } from './backup-input.ts';
import { count, runId, step, vaultEnvironment } from './contract.ts';
import { HOST_OCCUPIED, HOST_TRANSIENT } from './host-failures.ts';
import { poolsEnvironment } from './pools-environment.ts';
import { waiting } from './waiting.ts';

export const releaseHost = step({
  name: 'release-host',
  input: runRequest,
  output: z.discriminatedUnion('released', [
    z.strictObject({
      released: z.literal(false),
      runId,
      ...waiting.shape,
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
  transient: [...HOST_TRANSIENT, CredentialUnavailable, VaultUnavailable, VaultCorruption],
  occupied: HOST_OCCUPIED,
  timeoutSeconds: 300,
  memoryMib: 512,
});
