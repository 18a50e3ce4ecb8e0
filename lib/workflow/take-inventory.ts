/** take-inventory: notes which VMs and disks each pool has, for those who judge coverage without a way to the hosts. */

import * as z from 'zod/mini';
import { CredentialUnavailable } from '#lib/credentials/failures.ts';
import { VaultCorruption, VaultUnavailable } from '#lib/store/failures.ts';
import { count, step, vaultEnvironment } from './contract.ts';
import { HOST_OCCUPIED, HOST_TRANSIENT } from './host-failures.ts';
import { poolsEnvironment } from './pools-environment.ts';

export const takeInventory = step({
  name: 'take-inventory',
  /** It asks every pool of the settings. */
  input: z.object({}),
  output: z.strictObject({ vms: count }),
  environment: z.object({ ...vaultEnvironment, ...poolsEnvironment }),
  transient: [...HOST_TRANSIENT, CredentialUnavailable, VaultUnavailable, VaultCorruption],
  occupied: HOST_OCCUPIED,
  timeoutSeconds: 300,
  memoryMib: 512,
});
