/** State snapshot-disks: brings the host to the point where its disks can be read. */

import { recordCall } from '#lib/backup/call-records.ts';
import { runIdOf } from '#lib/backup/run-id.ts';
import { lockRule } from '#lib/backup/run-lock.ts';
import { snapshotDisks } from '#lib/backup/snapshot-disks.ts';
import { stepFunctionsExecutions } from '#lib/executions/step-functions.ts';
import { certificateDaysLeft } from '#lib/host/certificate-expiry.ts';
import { snapshotDisks as contract } from '#lib/workflow/snapshot-disks.ts';
import { stepHandler } from './handler.ts';
import { pools } from './pools.ts';
import { randomness, systemClock, vaultStore } from './wiring.ts';

export const handler = stepHandler(contract, (environment, { scrubber, measure }) => {
  const ports = {
    store: vaultStore(environment),
    pools: pools(environment, scrubber),
    executions: stepFunctionsExecutions(),
    clock: systemClock,
    random: randomness,
  };
  const { STORAGE_CLASS: storageClass, READERS: readers, OBJECT_LOCK: objectLock } = environment;
  return (input, { signal }) =>
    recordCall(ports, { run: runIdOf(input.execution), step: contract, stage: 'before-point' }, async () => {
      const lock = lockRule(objectLock, input.request.retention);
      const answer = await snapshotDisks(
        { ...ports, signal },
        { ...input, request: { storageClass, readers, lock, ...input.request } },
      );
      const daysLeft = await certificateDaysLeft(ports.store, answer.runId, systemClock.now());
      if (daysLeft !== undefined) measure({ CertificateDaysLeft: daysLeft });
      return answer;
    });
});
