/** blockferry audit: looks for objects that were changed, removed, swapped, rolled back or cut. */

import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import * as z from 'zod/mini';
import { Failure } from '#lib/failure.ts';
import { diskIdField, sha256Field } from '#lib/format/document.ts';
import { type Anchor, type Audit, auditVault } from '#lib/verify/audit.ts';
import { publicKeyOf } from '#lib/verify/audit-signatures.ts';
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
  readonly publicKey?: readonly string[];
  readonly json?: boolean;
}

const anchorFile = z.object({
  vault: z.optional(z.string()),
  heads: z.array(z.object({ disk: diskIdField, seq: z.number(), sha256: sha256Field })),
});

export function addAudit(program: Command): void {
  addVaultOptions(program.command('audit'))
    .description('look for tampering: changed, removed, swapped, rolled back or cut objects')
    .option('--anchor <file>', 'heads of the ledgers as an earlier audit saved them')
    .option('--save-anchor <file>', 'write the heads of the ledgers; keep the file where the vault cannot reach it')
    .option('--with-versions', 'also report overwritten and deleted versions (needs s3:ListBucketVersions)')
    .option('--public-key <file...>', 'PEM files of the public keys by which every ledger has to be signed')
    .option('--json', 'the result as one JSON object')
    .addHelpText(
      'after',
      '\nExample:\n  blockferry audit --anchor heads.json --save-anchor heads.json --vault s3://my-vault\n',
    )
    .action(audit);
}

async function audit(options: AuditOptions): Promise<void> {
  const anchor = options.anchor === undefined ? { heads: [] } : await readAnchor(options.anchor);
  const publicKeys = await Promise.all(
    (options.publicKey ?? []).map(async (path) => publicKeyOf(await textOf(path), path)),
  );
  using vault = openVault(options);
  using opened = openVersions(options);
  const ports = { store: vault.store, publicKeys, ...(options.withVersions ? { versions: opened.versions } : {}) };
  const result = await auditVault(ports, anchor);
  const { heads, findings } = result;
  process.stdout.write(options.json ? `${JSON.stringify(result)}\n` : describe(result, anchor));
  if (findings.length > 0) {
    throw new TamperingFound(`${findings.length} objects are not as they were written; the anchor was not saved`);
  }
  if (options.saveAnchor !== undefined) {
    await writeNamedFile(options.saveAnchor, `${JSON.stringify({ vault: result.vault, heads })}\n`);
  }
}

function describe({ heads, objects, findings, signed }: Audit, anchor: Anchor): string {
  const against = anchor.heads.length === 0 ? 'without anchor' : `against an anchor of ${anchor.heads.length} disks`;
  const lines = [
    ...signed.map(
      ({ disk, seq, key, signatures }) => `disk ${disk}: signed up to entry ${seq} by ${key}, ${signatures} signatures`,
    ),
    ...findings.map(({ key, what }) => `${key}: ${what}`),
    `${objects} objects of ${heads.length} disks looked at, ${against}: ${findings.length} findings`,
  ];
  return `${lines.join('\n')}\n`;
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new UsageError(`${path} cannot be read`, { cause });
  }
}

async function readAnchor(path: string): Promise<Anchor> {
  const text = await textOf(path);
  try {
    return anchorFile.parse(JSON.parse(text));
  } catch (cause) {
    throw new UsageError(`${path} is not a file that audit --save-anchor wrote`, { cause });
  }
}
