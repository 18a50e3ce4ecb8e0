/** State list-vms: which VMs a policy selects, and what is asked of the backup run of each. */

import { openHostSession } from '#lib/backup/host-access.ts';
import { selectVms, vmsAtOnce } from '#lib/fleet/select-vms.ts';
import { HOST_CONNECTION_LIMIT } from '#lib/workflow/backup-input.ts';
import { MAX_FLEET_VMS } from '#lib/workflow/fleet-input.ts';
import { listVms as contract } from '#lib/workflow/list-vms.ts';
import { readRealVms } from '#lib/xapi/vm.ts';
import { stepHandler } from './handler.ts';
import { pools } from './pools.ts';
import { systemClock } from './wiring.ts';

export const handler = stepHandler(contract, (environment, { scrubber }) => {
  const known = pools(environment, scrubber);
  return async ({ policy, select, exclude, readers = environment.READERS, ...each }, { signal }) => {
    await using session = await openHostSession(known.named(each.pool), undefined, { clock: systemClock, signal });
    const vms = await readRealVms(session);
    const { selected, missing } = selectVms(vms, { policy, select, exclude }, MAX_FLEET_VMS);
    return {
      vms: selected.map(({ uuid }) => uuid),
      request: { readers, policy, ...each },
      vmsAtOnce: vmsAtOnce({ connections: HOST_CONNECTION_LIMIT, readers }),
      missing: [...missing],
    };
  };
});
