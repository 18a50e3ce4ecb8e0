/** State write-report: points, verifications, inventories and the last sweep -> one page. */

import { SHIPPED_PRICES } from '#lib/cost/prices.ts';
import { keepReport } from '#lib/report/keep-report.ts';
import { writeReport as contract } from '#lib/workflow/write-report.ts';
import { stepHandler } from './handler.ts';
import { systemClock, vaultStore } from './wiring.ts';

const HOUR_MS = 3_600_000;

export const handler = stepHandler(contract, (environment) => {
  const store = vaultStore(environment);
  return ({ policies }) =>
    keepReport(store, {
      now: systemClock.now(),
      vault: `s3://${environment.VAULT_BUCKET}/${environment.VAULT_PREFIX}`,
      objectiveMs: environment.OBJECTIVE_HOURS * HOUR_MS,
      prices: SHIPPED_PRICES,
      storageClass: environment.STORAGE_CLASS,
      policies,
    });
});
