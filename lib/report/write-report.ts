/** The use case of `blockferry report` and of the upkeep: the vault as one page. */

import { describePrices } from '#lib/cost/prices.ts';
import type { PoolInventory } from '#lib/format/inventory.ts';
import { readSweepResult } from '#lib/host/sweep-result.ts';
import type { UnreadablePoint } from '#lib/restore/points.ts';
import type { RetentionPolicy } from '#lib/retention/policy.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { type CoveredVm, coverageGaps } from './coverage.ts';
import { timeText } from './figures.ts';
import { FleetBuilder, type FleetReport, type ReportSettings, type VmFindings } from './fleet.ts';
import { type DiskHeat, readDiskHeat } from './heat.ts';
import { readHistories, type VmHistory } from './history.ts';
import { readInventories } from './kept-inventories.ts';
import { reportPage } from './page.ts';
import { type PolicySummary, policySelecting } from './policy.ts';
import { freedBytes, lettingGo, ManifestHeaders, type RetentionPreview } from './retention-preview.ts';
import { unlessDamaged } from './unless-damaged.ts';
import { readVerified } from './verified.ts';

/** A map takes the manifest of its disk, up to 15 MiB to read, and about 8 KiB of the page. */
const DISKS_WITH_MAP = 12;
/** At 0.2 s for each this is less than two minutes; what lies beyond is told as an upper bound. */
const MANIFESTS_FOR_RETENTION = 500;

export interface ReportRequest extends ReportSettings {
  /** Of the settings file; left out, a VM's next run is told by its habit and every VM counts as selected. */
  readonly policies?: readonly PolicySummary[] | undefined;
  /** For VMs whose policy has no rules of its own. */
  readonly retention?: RetentionPolicy | undefined;
}

export async function writeReport(
  store: ObjectStore,
  request: ReportRequest,
): Promise<{ page: string; fleet: FleetReport }> {
  const builder = new FleetBuilder(request);
  const inventories = await readInventories(store);
  const headers = new ManifestHeaders(store, MANIFESTS_FOR_RETENTION);
  const covered: CoveredVm[] = [];
  const unreadable: UnreadablePoint[] = [];
  for await (const reading of readHistories(store, request)) {
    unreadable.push(...reading.unreadable);
    const { history } = reading;
    if (history === undefined) continue;
    const policy = policyOf(history, request.policies ?? [], inventories);
    builder.add(history, await findingsOf(history, { store, headers, policy, request }));
    covered.push(coveredVm(history));
  }
  const fleet = builder.finish();
  const page = reportPage({
    fleet,
    unreadable,
    heat: await readHeat(store, fleet),
    coverage: { inventories, gaps: coverageGaps(inventories, covered, request.policies) },
    sweep: await readSweepResult(store),
    pricesNote: describePrices(request.prices, request.now),
  });
  return { page, fleet };
}

/** By name where the newest point has one; a VM that was started by hand belongs to the policy that selects it. */
function policyOf(
  { policy: name, vm, pool }: VmHistory,
  policies: readonly PolicySummary[],
  inventories: readonly PoolInventory[],
): PolicySummary | undefined {
  const named = policies.find(({ policy }) => policy === name);
  if (named !== undefined) return named;
  const known = inventories.find((inventory) => inventory.pool === pool)?.vms.find(({ uuid }) => uuid === vm);
  return known && policySelecting(policies, known, pool);
}

async function findingsOf(
  history: VmHistory,
  using: {
    readonly store: ObjectStore;
    readonly headers: ManifestHeaders;
    readonly policy: PolicySummary | undefined;
    readonly request: ReportRequest;
  },
): Promise<VmFindings> {
  const { policy, request } = using;
  const disks = history.disks.map(({ disk }) => disk);
  const rules = policy?.retention ?? request.retention;
  return {
    policy,
    verified: await readVerified(using.store, disks),
    retention: rules && (await preview(using.headers, history, { rules, now: request.now })),
  };
}

async function preview(
  headers: ManifestHeaders,
  { points }: VmHistory,
  { rules, now }: { readonly rules: RetentionPolicy; readonly now: Date },
): Promise<RetentionPreview> {
  const going = lettingGo(points, rules, now);
  const exactBytes = await unlessDamaged(() => freedBytes(headers, points, going));
  const storedBytes = going.reduce((sum, point) => sum + point.storedBytes, 0);
  return exactBytes === undefined
    ? { points: going.length, kind: 'at-most', bytes: storedBytes }
    : { points: going.length, kind: 'exactly', bytes: exactBytes };
}

function coveredVm({ vm, name, pool, disks, points }: VmHistory): CoveredVm {
  return { vm, name, pool, disks, time: points.at(-1)?.time ?? new Date(0) };
}

/** Of the disks whose VMs cost most: there a map may show what to exclude or to move. */
async function readHeat(store: ObjectStore, { vms }: FleetReport): Promise<DiskHeat[]> {
  const disks = vms.flatMap((vm) => vm.disks.map((disk) => ({ vm, ...disk }))).slice(0, DISKS_WITH_MAP);
  const maps: DiskHeat[] = [];
  for (const { vm, disk, name } of disks) {
    const runNames = new Map(vm.recent.map((point) => [point.name.split('-')[1] ?? '', timeText(point.time)]));
    const heat = await unlessDamaged(() => readDiskHeat(store, disk, { title: `${vm.name}, ${name}`, runNames }));
    if (heat !== undefined) maps.push(heat);
  }
  return maps;
}
