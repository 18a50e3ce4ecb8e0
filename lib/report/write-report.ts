/** The use case of `blockferry report`: the vault as one page. */

import { describePrices } from '#lib/cost/prices.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { timeText } from './figures.ts';
import { FleetBuilder, type FleetReport, type ReportSettings } from './fleet.ts';
import { type DiskHeat, readDiskHeat } from './heat.ts';
import { readHistories } from './history.ts';
import { reportPage } from './page.ts';
import { readVerified } from './verified.ts';

/** A map takes the manifest of its disk, up to 15 MiB to read, and about 8 KiB of the page. */
const DISKS_WITH_MAP = 12;

export async function writeReport(
  store: ObjectStore,
  settings: ReportSettings,
): Promise<{ page: string; fleet: FleetReport }> {
  const builder = new FleetBuilder(settings);
  for await (const history of readHistories(store, settings)) {
    builder.add(
      history,
      await readVerified(
        store,
        history.disks.map(({ disk }) => disk),
      ),
    );
  }
  const fleet = builder.finish();
  const heat = await readHeat(store, fleet);
  return { page: reportPage({ fleet, heat, pricesNote: describePrices(settings.prices, settings.now) }), fleet };
}

/** Of the disks whose VMs cost most: there a map may show what to exclude or to move. */
async function readHeat(store: ObjectStore, { vms }: FleetReport): Promise<DiskHeat[]> {
  const disks = vms.flatMap((vm) => vm.disks.map((disk) => ({ vm, ...disk }))).slice(0, DISKS_WITH_MAP);
  const maps: DiskHeat[] = [];
  for (const { vm, disk, name } of disks) {
    const runNames = new Map(vm.recent.map((point) => [point.name.split('-')[1] ?? '', timeText(point.time)]));
    const heat = await readDiskHeat(store, disk, { title: `${vm.name}, ${name}`, runNames });
    if (heat !== undefined) maps.push(heat);
  }
  return maps;
}
