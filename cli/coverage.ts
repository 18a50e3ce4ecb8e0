/** blockferry coverage: what has no backup. */

import type { Command } from 'commander';
import { openHostSession } from '#lib/backup/host-access.ts';
import { coverageGaps, readNewestPoints, readPoolVms } from '#lib/report/coverage.ts';
import { systemClock } from '#local/states/system-clock.ts';
import { formatTable } from './console-text.ts';
import { addHostOptions, type HostOptions, poolOf } from './host-options.ts';
import { addVaultOptions, openVault, UsageError, type VaultOptions } from './vault-options.ts';

interface CoverageOptions extends HostOptions, VaultOptions {
  readonly pool?: string;
  readonly json?: boolean;
}

/** Three calls to the host, each of a large pool's whole inventory. */
const DEADLINE_MS = 2 * 60_000;

export function addCoverage(program: Command): void {
  addVaultOptions(addHostOptions(program.command('coverage')))
    .description('compare a pool with the vault: VMs and disks without a point, VMs that are gone')
    .option('--pool <name>', 'only points of this pool, where the vault holds those of several')
    .option('--json', 'the gaps as one JSON array')
    .addHelpText('after', '\nExit code: 0 when nothing is missing, 1 otherwise.\n')
    .action(showCoverage);
}

async function showCoverage(options: CoverageOptions): Promise<void> {
  const { fingerprint, pool } = options;
  if (fingerprint === undefined) throw new UsageError('give --fingerprint; blockferry doctor prints it');
  using vault = openVault(options);
  const time = { clock: systemClock, signal: AbortSignal.timeout(DEADLINE_MS) };
  await using session = await openHostSession(poolOf({ ...options, fingerprint }), undefined, time);
  const newest = await readNewestPoints(vault.store);
  const gaps = coverageGaps(await readPoolVms(session), newest, pool === undefined ? {} : { pool });
  const rows = gaps.map(({ name, kind, why }) => [name, kind, why]);
  const text =
    gaps.length === 0 ? 'Every VM and every disk of the pool has a point.' : formatTable(['VM', 'GAP', 'WHY'], rows);
  process.stdout.write(options.json ? `${JSON.stringify(gaps)}\n` : `${text}\n`);
  process.exitCode = gaps.length === 0 ? 0 : 1;
}
