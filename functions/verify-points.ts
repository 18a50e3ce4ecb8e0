/** State verify-points: whether every restore point still has what it needs. */

import { verifyVault } from '#lib/verify/verify-vault.ts';
import { verifyPoints as contract } from '#lib/workflow/verify-points.ts';
import { stepHandler } from './handler.ts';
import { systemClock, vaultStore } from './wiring.ts';

export const handler = stepHandler(contract, (environment, { measure }) => {
  const ports = { store: vaultStore(environment), clock: systemClock };
  return async ({ afterDisk, disks, findings }, { deadline }) => {
    const { done, after, ...verified } = await verifyVault({ ...ports, deadline }, afterDisk);
    const totals = { disks: disks + verified.disks, findings: findings + verified.findings };
    if (done) measure({ VerificationFindings: totals.findings });
    return { done, afterDisk: after, ...totals };
  };
});
