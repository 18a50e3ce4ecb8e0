/** State plan-collection: one round of what may be taken away, judged from the ledger. */

import { planRound } from '#lib/collect/collection-round.ts';
import {
  planCollection as contract,
  MAX_COLLECTION_ROUNDS,
  MAX_ROUND_VERSIONS,
} from '#lib/workflow/plan-collection.ts';
import { stepHandler } from './handler.ts';
import { vaultVersions } from './vault-versions.ts';
import { systemClock, vaultStore } from './wiring.ts';

export const handler = stepHandler(contract, (environment) => {
  const ports = {
    store: vaultStore(environment),
    versions: vaultVersions(environment),
    clock: systemClock,
    mostVersions: MAX_ROUND_VERSIONS,
  };
  return async ({ afterVersion, rounds, stopped, ...totals }, { deadline }) => {
    const round = await planRound({ ...ports, deadline }, afterVersion);
    return {
      ...totals,
      afterVersion: round.after,
      rounds: rounds + 1,
      stopped: stopped + round.stopped.length,
      remove: [...round.remove],
      more: round.more && rounds + 1 < MAX_COLLECTION_ROUNDS,
    };
  };
});
