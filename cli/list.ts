/** blockferry list: which restore points the vault holds. */

import type { Command } from 'commander';
import { readClosing } from '#lib/cost/closings.ts';
import type { Difference } from '#lib/cost/difference.ts';
import { pointCost } from '#lib/cost/point-cost.ts';
import { SHIPPED_PRICES } from '#lib/cost/prices.ts';
import { listPoints, type NamedPoint } from '#lib/restore/points.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { parseVmId } from '#lib/units.ts';
import { formatBytes, formatTable, formatTime } from './console-text.ts';
import { addVaultOptions, openVault, type VaultOptions } from './vault-options.ts';
import { type Verified, VerifiedPoints, verifiedText } from './verified.ts';

interface ListOptions extends VaultOptions {
  readonly vm?: string;
  readonly json?: boolean;
}

type ListedPoint = NamedPoint & { readonly verified: Verified; readonly run: Difference | undefined };

export function addList(program: Command): void {
  addVaultOptions(program.command('list'))
    .description('list the restore points of the vault')
    .option('--vm <uuid or name>', 'only points of this VM')
    .option('--json', 'one JSON array instead of a table')
    .addHelpText('after', '\nExample:\n  blockferry list --vault s3://my-vault/site-a --vm web-1\n')
    .action(async (options: ListOptions) => {
      using vault = openVault(options);
      const isId = options.vm !== undefined && /^[0-9a-f]{8}-/.test(options.vm);
      const all = await listPoints(vault.store, isId && options.vm !== undefined ? parseVmId(options.vm) : undefined);
      const points = isId || options.vm === undefined ? all : all.filter(({ point }) => point.vmName === options.vm);
      const verifiedPoints = new VerifiedPoints(vault.store);
      const listed: ListedPoint[] = [];
      for (const named of points) {
        const verified = await verifiedPoints.ofPoint(named.point.disks);
        listed.push({ ...named, verified, run: await costOf(vault.store, named) });
      }
      process.stdout.write(options.json ? `${JSON.stringify(listed.map(describePoint))}\n` : tableOf(listed));
    });
}

function describePoint({ name, point, verified, run }: ListedPoint) {
  return {
    name,
    vm: point.vm,
    vmName: point.vmName,
    time: point.time,
    verified,
    run,
    disks: point.disks.map(({ disk, device, diskBytes, kind, full, storedBytes }) => ({
      disk,
      device,
      diskBytes,
      kind,
      ...(full === undefined ? {} : { because: full.because }),
      storedBytes,
    })),
  };
}

function tableOf(points: readonly ListedPoint[]): string {
  if (points.length === 0) return 'The vault holds no restore point.\n';
  const rows = points.map(({ name, point, verified, run }) => [
    point.vmName,
    name,
    formatTime(point.time),
    formatBytes(point.disks.reduce((sum, { diskBytes }) => sum + diskBytes, 0)),
    formatBytes(point.disks.reduce((sum, { storedBytes }) => sum + storedBytes, 0)),
    kindOf(point.disks),
    verifiedText(verified),
    ...costCells(run),
  ]);
  return `${formatTable(['VM', 'POINT', 'TIME', 'SIZE', 'STORED', 'KIND', 'VERIFIED', 'RUN COST', 'ESTIMATED', 'DIFFERENCE'], rows)}\n`;
}

/** At list prices of Standard storage; absent for points whose run did not count its requests. */
async function costOf(store: ObjectStore, { point }: NamedPoint): Promise<Difference | undefined> {
  if (point.measured.requests === undefined) return undefined;
  const pricing = { prices: SHIPPED_PRICES, storageClass: 'STANDARD' } as const;
  return pointCost(pricing, point, await readClosing(store, point));
}

function costCells(cost: Difference | undefined): string[] {
  if (cost === undefined) return ['', '', ''];
  const { actualDollars, estimatedDollars, explanation = '' } = cost;
  return [`$${actualDollars.toFixed(4)}`, `$${estimatedDollars.toFixed(4)}`, explanation];
}

function kindOf(disks: NamedPoint['point']['disks']): string {
  const causes = new Set(disks.map(({ kind, full }) => (kind === 'incremental' ? kind : `full: ${full?.because}`)));
  return [...causes].join(', ');
}
