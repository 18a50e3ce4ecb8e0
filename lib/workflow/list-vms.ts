/** list-vms: which VMs a policy selects, and what is asked of the backup run of each. */

import * as z from 'zod/mini';
import { CredentialUnavailable } from '#lib/credentials/failures.ts';
import { backupInput, HOST_CONNECTION_LIMIT } from './backup-input.ts';
import { step, uuid } from './contract.ts';
import { fleetInput, MAX_FLEET_VMS } from './fleet-input.ts';
import { HOST_OCCUPIED, HOST_TRANSIENT } from './host-failures.ts';
import { poolsEnvironment } from './pools-environment.ts';

export const listVms = step({
  name: 'list-vms',
  input: fleetInput,
  output: z.strictObject({
    vms: z.array(uuid).check(z.maxLength(MAX_FLEET_VMS)),
    /** What the run of each VM is asked for, beside the VM. */
    request: z.omit(backupInput, { vm: true }),
    /** Runs at a time, so that their readers together never need more connections than the host has. */
    vmsAtOnce: z.number().check(z.int(), z.gte(1), z.lte(HOST_CONNECTION_LIMIT)),
    /** What the policy names and the pool does not have. */
    missing: z.array(z.string()).check(z.maxLength(MAX_FLEET_VMS)),
  }),
  environment: z.object({
    ...poolsEnvironment,
    /** Readers of a VM whose policy does not say. */
    READERS: z.pipe(z.string().check(z.regex(/^([1-9]|1[0-6])$/)), z.transform(Number)),
  }),
  transient: [...HOST_TRANSIENT, CredentialUnavailable],
  occupied: HOST_OCCUPIED,
  timeoutSeconds: 300,
  memoryMib: 512,
});
