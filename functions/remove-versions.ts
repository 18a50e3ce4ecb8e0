/** State remove-versions: takes away what a round of plan-collection names. */

import { removeVersions } from '#lib/collect/collection-round.ts';
import { removeVersions as contract } from '#lib/workflow/remove-versions.ts';
import { stepHandler } from './handler.ts';
import { vaultVersions } from './vault-versions.ts';
import { systemClock } from './wiring.ts';

export const handler = stepHandler(contract, (environment) => {
  const versions = vaultVersions(environment);
  return async ({ remove, removed, held, ...totals }) => {
    const done = await removeVersions(versions, remove, systemClock.now());
    return { ...totals, removed: removed + done.removed, held: held + done.held };
  };
});
