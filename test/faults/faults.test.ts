import { after, before, describe, test } from 'node:test';
import { FaultSite } from './fault-site.ts';
import { assertOutcome, playRow } from './row.ts';
import { HOST_ROWS } from './rows-host.ts';
import { NETWORK_ROWS } from './rows-network.ts';
import { RESTORE_ROWS } from './rows-restore.ts';

/** A row takes half a second of processor time; `npm run test:faults` plays the others and those that wait for deadlines. */
const BOUNDED = [...NETWORK_ROWS, ...HOST_ROWS.filter(({ on }) => on === 'host'), ...RESTORE_ROWS].filter(
  ({ slow }) => slow !== true,
);

describe('after every fault every committed point restores, the host is clean, and the next run commits', () => {
  let site: FaultSite;
  before(async () => {
    site = await FaultSite.start();
  });
  after(() => site[Symbol.asyncDispose]());

  for (const [number, row] of BOUNDED.entries()) {
    const ends = row.outcome === 'completed' ? 'the run completes' : `the run ends as ${row.outcome.join(' or ')}`;
    test(`${row.on}, ${row.fault}, ${row.strikes}: ${ends}`, async () => {
      assertOutcome(await playRow(site, row, number));
    });
  }
});
