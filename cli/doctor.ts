/** blockferry doctor: whether a pool and a vault are ready for backups, and what to do where they are not. */

import { randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import { examine } from '#lib/host/doctor.ts';
import type { Finding } from '#lib/host/finding.ts';
import { systemClock } from '#local/states/system-clock.ts';
import { addHostOptions, type HostOptions, poolOf } from './host-options.ts';
import { addVaultOptions, openVault, type VaultOptions } from './vault-options.ts';

interface DoctorOptions extends HostOptions, VaultOptions {
  readonly json?: boolean;
}

/** Long enough for a wrong password (5 s) and for an NBD server of every host that says nothing. */
const DEADLINE_MS = 5 * 60_000;

export function addDoctor(program: Command): void {
  addVaultOptions(addHostOptions(program.command('doctor')))
    .description('check a pool, and a vault if one is named, before the first backup; prints the fingerprint to pin')
    .option('--json', 'the findings as one JSON array')
    .addHelpText(
      'after',
      '\nExit code: 0 when all is well, 1 with warnings, 2 when something has to be changed first.\n' +
        '\nExample:\n  blockferry doctor --host https://192.0.2.10\n',
    )
    .action(doctor);
}

async function doctor(options: DoctorOptions): Promise<void> {
  const { fingerprint } = options;
  using opened = options.vault === undefined ? undefined : openVault(options);
  const findings = await examine({
    url: options.host,
    pool: fingerprint === undefined ? undefined : poolOf({ ...options, fingerprint }),
    vault: opened === undefined ? undefined : { store: opened.store, random: randomBytes },
    clock: systemClock,
    signal: AbortSignal.timeout(DEADLINE_MS),
  });
  process.stdout.write(options.json ? `${JSON.stringify(findings)}\n` : findings.map(lineOf).join(''));
  process.exitCode = exitCodeOf(findings);
}

function lineOf(finding: Finding): string {
  const line = `${finding.state.padEnd(8)}${finding.check.padEnd(12)} ${finding.what}\n`;
  return finding.state === 'ok' ? line : `${line}${' '.repeat(21)}cure: ${finding.cure}\n`;
}

/** Scripts tell what has to be changed from what may be accepted. */
function exitCodeOf(findings: readonly Finding[]): 0 | 1 | 2 {
  if (findings.some(({ state }) => state === 'failed')) return 2;
  return findings.some(({ state }) => state === 'warning') ? 1 : 0;
}
