/** State take-inventory: pools -> one list of VMs and disks each in the vault. */

import { takeInventories } from '#lib/report/inventory.ts';
import { takeInventory as contract } from '#lib/workflow/take-inventory.ts';
import { stepHandler } from './handler.ts';
import { pools } from './pools.ts';
import { systemClock, vaultStore } from './wiring.ts';

export const handler = stepHandler(contract, (environment, { scrubber }) => {
  const ports = { store: vaultStore(environment), pools: pools(environment, scrubber), clock: systemClock };
  return (_input, { signal }) => takeInventories({ ...ports, signal }, Object.keys(environment.POOLS));
});
