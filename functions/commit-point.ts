/** State commit-point: receipts -> coverage check -> manifests -> ledger -> the VM's restore point. */

import { recordCall } from '#lib/backup/call-records.ts';
import { commitPoint } from '#lib/backup/commit-point.ts';
import { parseDocument } from '#lib/format/document.ts';
import { vmPoint } from '#lib/format/point.ts';
import { measuredRunOf, measurementsOf } from '#lib/observe/point-measurements.ts';
import { parseRunId } from '#lib/units.ts';
import { commitPoint as contract } from '#lib/workflow/commit-point.ts';
import { stepHandler } from './handler.ts';
import { ledgerSigner } from './ledger-signer.ts';
import { randomness, systemClock, vaultStore } from './wiring.ts';

export const handler = stepHandler(contract, (environment, { measure }) => {
  const store = vaultStore(environment);
  const signer = ledgerSigner(environment);
  const ports = { store, clock: systemClock, random: randomness, ...(signer && { signer }) };
  return ({ runId, request: { policy }, budgetPassed }, { signal }) => {
    const run = parseRunId(runId);
    return recordCall(ports, { run, step: contract, stage: 'before-point' }, async (meter) => {
      const asked = { ...(policy && { policy }), ...(budgetPassed && { budgetPassed }) };
      const onPoint = (written: 'created' | 'exists') => meter.pointStands(written);
      const { outcome, point, storedBytes } = await commitPoint({ ...ports, signal, onPoint }, run, asked);
      if (outcome === 'committed') {
        const written = parseDocument(vmPoint, await store.get(point), point);
        measure(measurementsOf(written), measuredRunOf(written));
      }
      return { runId, outcome, point, storedBytes };
    });
  };
});
