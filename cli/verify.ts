/** blockferry verify: looks whether restore points are still what was written, and says what was looked at. */

import { type Command, InvalidArgumentError } from 'commander';
import { Failure } from '#lib/failure.ts';
import type { Verification } from '#lib/format/verification.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { type DiskId, parseDiskId } from '#lib/units.ts';
import { listDisks } from '#lib/vault/disks.ts';
import { type Level, shareOfDay, verifyDisk } from '#lib/verify/verify-disk.ts';
import { formatBytes } from './console-text.ts';
import { uuidArgument } from './uuid-argument.ts';
import { addVaultOptions, openVault, UsageError, type VaultOptions } from './vault-options.ts';

/** A verification found something that is not as it was written. */
export class DamageFound extends Failure {
  static override readonly failureName = 'DamageFound';
}

interface VerifyOptions extends VaultOptions {
  readonly level: number;
  readonly shares: number;
  readonly disk?: string;
  readonly json?: boolean;
}

export function addVerify(program: Command): void {
  addVaultOptions(program.command('verify'))
    .description('check restore points and record what was checked')
    .option(
      '--level <1|2|3>',
      '1: chain, digests, listed sizes; 2: read packs; 3: read the newest point whole',
      parseLevel,
      1,
    )
    .option('--shares <n>', 'level 2: read one n-th of the packs, another one each day', parseShares, 1)
    .option('--disk <uuid>', 'only this disk', uuidArgument)
    .option('--json', 'one JSON array of the records')
    .addHelpText('after', '\nExample:\n  blockferry verify --level 2 --shares 30 --vault s3://my-vault\n')
    .action(verify);
}

function parseLevel(text: string): number {
  if (!/^[123]$/.test(text)) throw new InvalidArgumentError('It must be 1, 2 or 3.');
  return Number(text);
}

function parseShares(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new InvalidArgumentError('It must be a number from 1 to 9999.');
  return Number(text);
}

function levelOf({ level, shares }: VerifyOptions, now: Date): Level {
  if (level === 2) return { level: 2, share: shareOfDay(now, shares) };
  return level === 3 ? { level: 3, seq: 'newest' } : { level: 1 };
}

async function verify(options: VerifyOptions): Promise<void> {
  using vault = openVault(options);
  const records: Verification[] = [];
  for (const disk of await disksOf(vault.store, options.disk)) {
    const now = new Date();
    const record = await verifyDisk(vault.store, disk, { ...levelOf(options, now), now });
    if (record === undefined) continue;
    records.push(record);
    if (!options.json) process.stdout.write(describe(record));
  }
  if (records.length === 0 && options.disk !== undefined) {
    throw new UsageError(
      `disk ${options.disk} has no restore point in this vault; blockferry show prints the disks of a point`,
    );
  }
  if (options.json) process.stdout.write(`${JSON.stringify(records)}\n`);
  else if (records.length === 0) process.stdout.write('The vault holds no restore point.\n');
  const found = records.reduce((sum, { findings }) => sum + findings.length, 0);
  if (found > 0) {
    throw new DamageFound(
      `${found} objects are not as they were written; the next backup reads what damaged packs held from the source again`,
    );
  }
}

async function disksOf(store: ObjectStore, disk: string | undefined): Promise<DiskId[]> {
  return disk === undefined ? listDisks(store) : [parseDiskId(disk)];
}

function describe({ disk, level, scope, findings }: Verification): string {
  const share = scope.share === undefined ? '' : `, share ${scope.share.part + 1} of ${scope.share.of}`;
  const read = level === 1 ? 'nothing of them read' : `${formatBytes(scope.readBytes)} read`;
  const head = `disk ${disk}: level ${level}, points ${rangeOf(scope.points)}, ${scope.packs} packs${share}, ${read}`;
  const lines = findings.map(({ key, what, points }) => `  ${key}: ${what}; needed by points ${points.join(', ')}\n`);
  return `${head}: ${findings.length === 0 ? 'all as written' : `${findings.length} findings`}\n${lines.join('')}`;
}

function rangeOf(points: readonly number[]): string {
  const [first] = points;
  const last = points.at(-1);
  if (first === undefined || last === undefined) return 'none';
  return first === last ? String(first) : `${first} to ${last} (${points.length})`;
}
