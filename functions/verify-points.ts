/** State verify-points: whether every restore point still has what it needs. */

import { listDisks } from '#lib/vault/disks.ts';
import { verifyDisk } from '#lib/verify/verify-disk.ts';
import { verifyPoints as contract } from '#lib/workflow/verify-points.ts';
import { stepHandler } from './handler.ts';
import { systemClock, vaultStore } from './wiring.ts';

export const handler = stepHandler(contract, (environment, { measure }) => {
  const store = vaultStore(environment);
  return async (_input, { signal }) => {
    let disks = 0;
    let findings = 0;
    for (const disk of await listDisks(store)) {
      signal.throwIfAborted();
      const record = await verifyDisk(store, disk, { level: 1, now: systemClock.now() });
      disks += record === undefined ? 0 : 1;
      findings += record?.findings.length ?? 0;
    }
    measure({ VerificationFindings: findings });
    return { disks, findings };
  };
});
