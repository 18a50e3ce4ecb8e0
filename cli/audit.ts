/** blockferry audit: looks for objects that were changed, removed, swapped, rolled back or cut. */

import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import * as z from 'zod/mini';
import { Failure } from '#lib/failure.ts';
import { diskIdField, sha256Field } from '#lib/format/document.ts';
import { auditVault, type LedgerHead } from '#lib/verify/audit.ts';
import { writeNamedFile } from './named-file.ts';
import { addVaultOptions, openVault, UsageError, type VaultOptions } from './vault-options.ts';
import { openVersions } from './vault-versions.ts';

/** The audit found objects that somebody or something changed. */
export class TamperingFound extends Failure {
  static override readonly failureName = 'TamperingFound';
}

interface AuditOptions extends VaultOptions {
  readonly anchor?: string;
  readonly saveAnchor?: string;
  readonly withVersions?: boolean;
  readonly json?: boolean;
}

const anchorFile = z.array(z.object({ disk: diskIdField, seq: z.number(), sha256: sha256Field }));

export function addAudit(program: Command): void {
  addVaultOptions(program.command('audit'))
    .description('look for tampering: changed, removed, swapped, rolled back or cut objects')
    .option('--anchor <file>', 'heads of the ledgers as an earlier audit saved them')
    .option('--save-anchor <file>', 'write the heads of the ledgers; keep the file where the vault cannot reach it')
    .option('--with-versions', 'also report overwritten and deleted versions (needs s3:ListBucketVersions)')
    .option('--json', 'the result as one JSON object')
    .addHelpText(
      'after',
      '\nExample:\n  blockferry audit --anchor heads.json --save-anchor heads.json --vault s3://my-vault\n',
    )
    .action(audit);
}

async function audit(options: AuditOptions): Promise<void> {
  const anchor = options.anchor === undefined ? [] : await readAnchor(options.anchor);
  using vault = openVault(options);
  using opened = openVersions(options);
  const ports = { store: vault.store, ...(options.withVersions ? { versions: opened.versions } : {}) };
  const { heads, objects, findings } = await auditVault(ports, anchor);
  if (options.json) process.stdout.write(`${JSON.stringify({ heads, objects, findings })}\n`);
  else {
    for (const { key, what } of findings) process.stdout.write(`${key}: ${what}\n`);
    const against = anchor.length === 0 ? 'without anchor' : `against an anchor of ${anchor.length} disks`;
    process.stdout.write(
      `${objects} objects of ${heads.length} disks looked at, ${against}: ${findings.length} findings\n`,
    );
  }
  if (findings.length > 0) {
    throw new TamperingFound(`${findings.length} objects are not as they were written; the anchor was not saved`);
  }
  if (options.saveAnchor !== undefined) await writeNamedFile(options.saveAnchor, `${JSON.stringify(heads)}\n`);
}

async function readAnchor(path: string): Promise<LedgerHead[]> {
  try {
    return anchorFile.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    throw new UsageError(`${path} is not a file that audit --save-anchor wrote`, { cause });
  }
}
