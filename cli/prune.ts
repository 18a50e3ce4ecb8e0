/** blockferry prune: lets restore points go by the calendar, then takes away what none needs any more. */

import type { Command } from 'commander';
import { type CollectionPlan, carryOutCollection, planCollection } from '#lib/collect/collector.ts';
import { carryOutPrune, type PrunePlan, planPrune } from '#lib/retention/prune.ts';
import { listDisks } from '#lib/vault/disks.ts';
import { formatBytes, formatTable, formatTime } from './console-text.ts';
import { addRetentionOptions, type RetentionOptions, retentionFrom } from './retention-options.ts';
import { addVaultOptions, openVault, UsageError, type VaultOptions } from './vault-options.ts';
import { openVersions } from './vault-versions.ts';

interface PruneOptions extends VaultOptions, RetentionOptions {
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export function addPrune(program: Command): void {
  addRetentionOptions(addVaultOptions(program.command('prune')))
    .description('let restore points go and take away what no restore point needs')
    .option('--dry-run', 'show what would happen and change nothing')
    .option('--json', 'the plan and its outcome as one JSON object')
    .addHelpText(
      'after',
      '\nExample:\n  blockferry prune --keep-daily 14 --keep-monthly 12 --dry-run --vault s3://my-vault\n',
    )
    .action(prune);
}

async function prune(options: PruneOptions): Promise<void> {
  const policy = retentionFrom(options);
  if (policy === undefined) {
    throw new UsageError('no rule says which points to keep; give at least one of --keep-daily, --keep-weekly, ...');
  }
  using vault = openVault(options);
  using opened = openVersions(options);
  const ports = { store: vault.store, versions: opened.versions };
  const now = new Date();
  const plan = await planPrune(ports.store, () => policy, now);
  if (!options.json) process.stdout.write(describe(plan));
  const pruned = options.dryRun ? { points: 0, entries: 0 } : await carryOutPrune(ports.store, plan, now);
  const collections: CollectionPlan[] = [];
  for (const disk of await listDisks(ports.store)) collections.push(await planCollection(ports, disk, now));
  const collected = { removed: 0, bytes: 0, held: 0 };
  for (const collection of options.dryRun ? [] : collections) {
    const { removed, bytes, held } = await carryOutCollection(ports, collection, now);
    collected.removed += removed;
    collected.bytes += bytes;
    collected.held += held.length;
  }
  const waiting = collections.reduce((sum, { tooYoung }) => sum + tooYoung, 0);
  const due = collections.reduce((sum, { bytes }) => sum + bytes, 0);
  const locked = lockedOf(collections);
  if (options.json) {
    const decisions = plan.decisions.map(({ point, keep, reasons }) => ({
      name: point.name,
      vm: point.point.vm,
      keep,
      reasons,
    }));
    const { unnamed, freedBytes } = plan;
    process.stdout.write(
      `${JSON.stringify({ decisions, unnamed, freedBytes, pruned, due, waiting, locked, collected })}\n`,
    );
    return;
  }
  process.stdout.write(
    options.dryRun
      ? `Nothing was changed. ${formatBytes(due)} of earlier leftovers are due for removal, ${waiting} objects are too young.\n`
      : `${pruned.points} points were let go. ${collected.removed} objects, ${formatBytes(collected.bytes)}, were removed; ` +
          `${collected.held} could not be, ${waiting} are too young.\n`,
  );
  if (locked.until !== undefined) {
    process.stdout.write(
      `${locked.objects} objects, ${formatBytes(locked.bytes)}, that no point needs are locked, the last until ${formatTime(locked.until)}.\n`,
    );
  }
}

/** What only locks keep. */
function lockedOf(collections: readonly CollectionPlan[]) {
  const locked = collections.flatMap((collection) => collection.locked);
  const ends = locked.map(({ until }) => until.getTime());
  return {
    objects: locked.length,
    bytes: locked.reduce((sum, { version }) => sum + version.bytes, 0),
    ...(ends.length > 0 && { until: new Date(Math.max(...ends)) }),
  };
}

function describe(plan: PrunePlan): string {
  if (plan.decisions.length === 0) return 'The vault holds no restore point.\n';
  const rows = plan.decisions.map(({ point, keep, reasons }) => [
    point.point.vmName,
    point.name,
    formatTime(point.time),
    keep ? 'stays' : 'goes',
    reasons.join(', '),
  ]);
  const going = plan.decisions.filter(({ keep }) => !keep).length;
  const unnamed = plan.unnamed.map(
    ({ disk, seq }) => `Point ${seq} of disk ${disk}, which no restore point names, goes.\n`,
  );
  return (
    `${formatTable(['VM', 'POINT', 'TIME', '', 'WHY'], rows)}\n${unnamed.join('')}` +
    `${going} of ${plan.decisions.length} points go; ${formatBytes(plan.freedBytes)} come free after 7 days, or when their locks end.\n`
  );
}
