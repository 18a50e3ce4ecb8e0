/** blockferry coverage: what has no backup. */

import type { Command } from 'commander';
import { openHostSession } from '#lib/backup/host-access.ts';
import { coverageGaps, readNewestPoints } from '#lib/report/coverage.ts';
import { readPoolVms } from '#lib/report/inventory.ts';
import { summaryOf } from '#lib/workflow/policy-summary.ts';
import { systemClock } from '#local/states/system-clock.ts';
import { formatTable } from './console-text.ts';
import { addHostOptions, type HostOptions, poolOf } from './host-options.ts';
import { policiesAs } from './settings-policies.ts';
import { addVaultOptions, openVault, UsageError, type VaultOptions } from './vault-options.ts';

interface CoverageOptions extends HostOptions, VaultOptions {
  readonly pool?: string;
  readonly settings?: string;
  readonly json?: boolean;
}

/** Three calls to the host, each of a large pool's whole inventory. */
const DEADLINE_MS = 2 * 60_000;

export function addCoverage(program: Command): void {
  addVaultOptions(addHostOptions(program.command('coverage')))
    .description('compare a pool with the vault: VMs and disks without a point, VMs that are gone')
    .option('--pool <name>', 'name of the pool in the settings; needed where the vault holds points of several')
    .option('--settings <file>', 'the settings file: its policies say which VMs are selected')
    .option('--json', 'the gaps as one JSON array')
    .addHelpText('after', '\nExit code: 0 when nothing is missing, 1 otherwise.\n')
    .action(showCoverage);
}

async function showCoverage(options: CoverageOptions): Promise<void> {
  const { fingerprint, pool, settings } = options;
  if (fingerprint === undefined) throw new UsageError('give --fingerprint; blockferry doctor prints it');
  using vault = openVault(options);
  const time = { clock: systemClock, signal: AbortSignal.timeout(DEADLINE_MS) };
  await using session = await openHostSession(poolOf({ ...options, fingerprint }), undefined, time);
  const newest = await readNewestPoints(vault.store);
  const policies = settings === undefined ? undefined : await policiesAs(settings, summaryOf);
  const inventory = { pool: poolNamed(pool, newest), vms: await readPoolVms(session) };
  const gaps = coverageGaps([inventory], newest, policies);
  const rows = gaps.map(({ name, kind, why }) => [name, kind, why]);
  const text =
    gaps.length === 0 ? 'Every VM and every disk of the pool has a point.' : formatTable(['VM', 'GAP', 'WHY'], rows);
  process.stdout.write(options.json ? `${JSON.stringify(gaps)}\n` : `${text}\n`);
  process.exitCode = gaps.length === 0 ? 0 : 1;
}

/** The points tell the pool's name where there is only one. */
function poolNamed(pool: string | undefined, newest: readonly { readonly pool: string }[]): string {
  const names = [...new Set(newest.map((point) => point.pool))];
  if (pool === undefined && names.length > 1) {
    throw new UsageError(`the vault holds points of ${names.join(', ')}; say with --pool which of them this host is`);
  }
  return pool ?? names[0] ?? 'local';
}
