/** What the audit may say of a vault whose runs died now and then. */

import assert from 'node:assert/strict';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { parseDiskId, type RunId } from '#lib/units.ts';
import { readEntry } from '#lib/vault/ledger.ts';
import { type AuditFinding, auditVault } from '#lib/verify/audit.ts';

const LEDGER_KEY = /^disks\/([0-9a-f-]{36})\/ledger\/(\d+)\.json$/;

/** A run that died between ledger and point leaves an entry that no point names, until prune lets it go; nothing else is found. */
export async function assertAudit(store: ObjectStore, unfinished: ReadonlySet<RunId>): Promise<void> {
  const { findings } = await auditVault({ store });
  const others: AuditFinding[] = [];
  for (const finding of findings) {
    const run = await runOfUnnamed(store, finding);
    if (run === undefined || !unfinished.has(run)) others.push(finding);
  }
  assert.deepEqual(others, [], 'the audit');
}

async function runOfUnnamed(store: ObjectStore, { key, what }: AuditFinding): Promise<RunId | undefined> {
  const [, disk, seq] = LEDGER_KEY.exec(key) ?? [];
  if (disk === undefined || !what.startsWith('is named by no restore point')) return undefined;
  return (await readEntry(store, { disk: parseDiskId(disk), seq: Number(seq) })).entry.run;
}
