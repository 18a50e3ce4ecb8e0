/** blockferry report: the whole vault as one HTML page. */

import { type Command, InvalidArgumentError } from 'commander';
import { SHIPPED_PRICES } from '#lib/cost/prices.ts';
import type { VmReport } from '#lib/report/fleet.ts';
import { writeReport } from '#lib/report/write-report.ts';
import { retentionPolicy } from '#lib/retention/policy.ts';
import type { StorageClass } from '#lib/store/object-store.ts';
import { STORAGE_CLASSES } from '#lib/workflow/backup-input.ts';
import { summaryOf } from '#lib/workflow/policy-summary.ts';
import { formatBytes } from './console-text.ts';
import { writeNamedFile } from './named-file.ts';
import { policiesAs } from './settings-policies.ts';
import { addVaultOptions, openVault, UsageError, type VaultOptions } from './vault-options.ts';

interface ReportOptions extends VaultOptions {
  readonly to: string;
  readonly objective: number;
  readonly class: string;
  readonly settings?: string;
  readonly json?: boolean;
  readonly keepLast?: number;
  readonly keepDaily?: number;
  readonly keepWeekly?: number;
  readonly keepMonthly?: number;
}

const HOUR_MS = 3_600_000;

export function addReport(program: Command): void {
  addVaultOptions(program.command('report'))
    .description('write the state, the history and the cost of all backups as one HTML page')
    .requiredOption('--to <file>', 'where the page goes')
    .option('--objective <hours>', 'how old the newest point of a VM may be', wholeNumber, 26)
    .option('--class <name>', `storage class of the packs: ${STORAGE_CLASSES.join(', ')}`, 'STANDARD')
    .option('--settings <file>', 'the settings file: next runs, coverage and retention go by its policies')
    .option('--keep-last <count>', 'show what retention would let go: points kept', wholeNumber)
    .option('--keep-daily <count>', 'days of which the newest point stays', wholeNumber)
    .option('--keep-weekly <count>', 'weeks of which the newest point stays', wholeNumber)
    .option('--keep-monthly <count>', 'months of which the newest point stays', wholeNumber)
    .option('--json', 'what the page says of each VM as one JSON object')
    .addHelpText('after', '\nExample:\n  blockferry report --vault s3://my-vault/site-a --to backups.html\n')
    .action(async (options: ReportOptions) => {
      using vault = openVault(options);
      const retention = retentionOf(options);
      const { page, fleet } = await writeReport(vault.store, {
        now: new Date(),
        vault: `s3://${vault.address.bucket}/${vault.address.prefix}`,
        objectiveMs: options.objective * HOUR_MS,
        prices: SHIPPED_PRICES,
        storageClass: storageClassOf(options.class),
        ...(retention && { retention }),
        ...(options.settings && { policies: await policiesAs(options.settings, summaryOf) }),
      });
      await writeNamedFile(options.to, page);
      const bytes = Buffer.byteLength(page);
      const late = fleet.vms.filter(({ status }) => status === 'late').length;
      const sentence = `${options.to}: ${fleet.vms.length} VMs, ${late} late, ${formatBytes(bytes)}`;
      const facts = { to: options.to, bytes, vms: fleet.vms.map(factsOf) };
      process.stdout.write(`${options.json ? JSON.stringify(facts) : sentence}\n`);
    });
}

/** Without the histories: 500 VMs with 400 points each are for the page. */
function factsOf({ vm, name, pool, status, pointCount, storedBytes, newest, ...rest }: VmReport): object {
  const { runsDollars, storageDollars } = rest;
  return { vm, name, pool, status, points: pointCount, newest: newest.time, storedBytes, runsDollars, storageDollars };
}

function wholeNumber(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('give a whole number');
  return Number(text);
}

function storageClassOf(name: string): StorageClass {
  const found = STORAGE_CLASSES.find((known) => known === name);
  if (found === undefined) throw new UsageError(`${name} is no storage class; choose ${STORAGE_CLASSES.join(', ')}`);
  return found;
}

function retentionOf({ keepLast, keepDaily, keepWeekly, keepMonthly }: ReportOptions) {
  const rules = { keepLast, keepDaily, keepWeekly, keepMonthly };
  const given = Object.entries(rules).filter(([, count]) => count !== undefined);
  return given.length === 0 ? undefined : retentionPolicy.parse(Object.fromEntries(given));
}
