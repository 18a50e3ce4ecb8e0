/** State prune-points: lets restore points go by the rules of the policy that each belongs to. */

import { pruneVms } from '#lib/retention/prune-vms.ts';
import { prunePoints as contract } from '#lib/workflow/prune-points.ts';
import { stepHandler } from './handler.ts';
import { systemClock, vaultStore } from './wiring.ts';

export const handler = stepHandler(contract, (environment) => {
  const ports = { store: vaultStore(environment), clock: systemClock };
  const rules = new Map(Object.entries(environment.RETENTION));
  const retentionOf = (policy: string | undefined) => (policy === undefined ? undefined : rules.get(policy));
  return async ({ afterVm, letGo }, { deadline }) => {
    const pruned = await pruneVms({ ...ports, deadline }, retentionOf, afterVm);
    return { done: pruned.done, afterVm: pruned.after, letGo: letGo + pruned.letGo };
  };
});
