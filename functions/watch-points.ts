/** Runs by a timer: counts the VMs that have no recent restore point, so that an alarm can tell. */

import { lateVms } from '#lib/observe/late-vms.ts';
import { watchPoints as contract } from '#lib/workflow/watch-points.ts';
import { stepHandler } from './handler.ts';
import { systemClock, vaultStore } from './wiring.ts';

/** Names in the answer and in the log; the number of all is the measurement. */
const SHOWN_VMS = 50;

export const handler = stepHandler(contract, (environment, { measure }) => {
  const store = vaultStore(environment);
  return async () => {
    const objectiveHours = environment.OBJECTIVE_HOURS;
    const { vms, late } = await lateVms(store, { now: systemClock.now(), objectiveHours });
    measure({ VmsWithoutRecentPoint: late.length });
    return { vms, late: late.slice(0, SHOWN_VMS) };
  };
});
