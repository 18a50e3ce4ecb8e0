/** State verify-range: a restored disk of the host, read over NBD, against the digests of the vault. */

import { connectNbd } from '#lib/nbd/connect.ts';
import { verifyRange } from '#lib/restore/verify-range.ts';
import { verifyRange as contract } from '#lib/workflow/verify-range.ts';
import { stepHandler } from './handler.ts';
import { pools } from './pools.ts';
import { systemClock, vaultStore } from './wiring.ts';

export const handler = stepHandler(contract, (environment, { scrubber }) => {
  const ports = {
    store: vaultStore(environment),
    pools: pools(environment, scrubber),
    clock: systemClock,
    connect: connectNbd,
  };
  return async (disk, time) => ({
    ...disk,
    calls: disk.calls + 1,
    ...(await verifyRange({ ...ports, ...time }, disk)),
  });
});
