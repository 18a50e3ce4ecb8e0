/** Names of everything in the vault, relative to its prefix. The permissions of every function are built from these. */

import type { DiskId, PackId, RunId, VmId } from '#lib/units.ts';

/** Width of the sequence number in a key, so that listings come in order of sequence. */
const SEQ_DIGITS = 10;

const padded = (seq: number) => String(seq).padStart(SEQ_DIGITS, '0');

/** `20261121T101112Z`: sorts by time and has no character that a key or an execution name forbids. */
function compactTime(time: Date): string {
  return time.toISOString().replace(/[-:]|\.\d{3}/g, '');
}

export const vaultKeys = {
  vault: () => 'vault.json',

  vms: () => 'vms/',
  lease: (vm: VmId) => `vms/${vm}/lease.json`,
  vmMetadata: (vm: VmId, run: RunId) => `vms/${vm}/metadata/${run}.xva-metadata`,
  /** What a run used after its point was written, under the point's own name. */
  closing: (vm: VmId, point: { time: Date; run: RunId }) =>
    `vms/${vm}/closings/${compactTime(point.time)}-${point.run}.json`,
  points: (vm: VmId) => `vms/${vm}/points/`,
  point: (vm: VmId, { time, run }: { time: Date; run: RunId }) => `vms/${vm}/points/${compactTime(time)}-${run}.json`,

  disks: () => 'disks/',
  ledgerEntries: (disk: DiskId) => `disks/${disk}/ledger/`,
  ledgerEntry: (disk: DiskId, seq: number) => `disks/${disk}/ledger/${padded(seq)}.json`,
  expiries: (disk: DiskId) => `disks/${disk}/expired/`,
  expiry: (disk: DiskId, seq: number) => `disks/${disk}/expired/${padded(seq)}.json`,
  signatures: (disk: DiskId) => `disks/${disk}/signatures/`,
  signature: (disk: DiskId, seq: number) => `disks/${disk}/signatures/${padded(seq)}.json`,
  manifests: (disk: DiskId) => `disks/${disk}/manifests/`,
  manifest: (disk: DiskId, { seq, run }: { seq: number; run: RunId }) =>
    `disks/${disk}/manifests/${padded(seq)}-${run}.bfm`,
  packs: (disk: DiskId) => `disks/${disk}/packs/`,
  pack: (disk: DiskId, { run, pack }: PackName) => `disks/${disk}/packs/${run}/${pack}.zst`,
  indexes: (disk: DiskId) => `disks/${disk}/indexes/`,
  packIndex: (disk: DiskId, { run, pack }: PackName) => `disks/${disk}/indexes/${run}/${pack}.bfi`,
  verifications: (disk: DiskId) => `disks/${disk}/verified/`,
  verification: (disk: DiskId, { time, level }: { time: Date; level: number }) =>
    `disks/${disk}/verified/${compactTime(time)}-${level}.json`,
  damages: (disk: DiskId) => `disks/${disk}/damaged/`,
  damage: (disk: DiskId, pack: PackId) => `disks/${disk}/damaged/${pack}.json`,

  runs: () => 'runs/',
  run: (run: RunId) => `runs/${run}/run.json`,
  plan: (run: RunId) => `runs/${run}/plan.json`,
  bitmap: (run: RunId, disk: DiskId) => `runs/${run}/bitmaps/${disk}.bits`,
  shards: (run: RunId) => `runs/${run}/shards.jsonl`,
  receipts: (run: RunId) => `runs/${run}/receipts/`,
  receipt: (run: RunId, { shard, part }: { shard: number; part: number }) =>
    `runs/${run}/receipts/${padded(shard)}-${padded(part)}.json`,
  results: (run: RunId) => `runs/${run}/results/`,
  callRecords: (run: RunId, stage: CallStage) => `runs/${run}/calls/${stage}/`,
  callRecord: (run: RunId, call: { stage: CallStage; step: string; id: string }) =>
    `runs/${run}/calls/${call.stage}/${call.step}-${call.id}.json`,
  /** Apart from points: written anew by every upkeep, and of no use to a restore. */
  inventories: () => 'upkeep/inventories/',
  inventory: (pool: string) => `upkeep/inventories/${pool}.json`,
  lastSweep: () => 'upkeep/sweep.json',
  report: (day: Date) => `reports/${day.toISOString().slice(0, 10)}.html`,
  latestReport: () => 'reports/latest.html',
  readerSlots: (pool: string) => `pools/${pool}/readers/`,
  readerSlot: (pool: string, slot: number) => `pools/${pool}/readers/${slot}.json`,
  /** Under the slots, so that one listing tells who has some and who waits for some. */
  slotWaiter: (pool: string, run: RunId) => `pools/${pool}/readers/waiting/${run}.json`,
  connections: () => 'connections/',
  /** Apart from the run's other objects, so that a lifecycle rule can expire connections after one day by prefix. */
  connection: (run: RunId) => `connections/${run}.json`,
} as const;

/** Whether the run's point was there when the call of a step ended. */
export type CallStage = 'before-point' | 'after-point';

export interface PackName {
  readonly run: RunId;
  readonly pack: PackId;
}

/** The same names with `*` for every id, for policies and lifecycle rules. */
export const vaultPatterns = {
  vault: 'vault.json',
  leases: 'vms/*/lease.json',
  vmMetadata: 'vms/*/metadata/*',
  points: 'vms/*/points/*',
  closings: 'vms/*/closings/*',
  ledger: 'disks/*/ledger/*',
  expired: 'disks/*/expired/*',
  signatures: 'disks/*/signatures/*',
  manifests: 'disks/*/manifests/*',
  packs: 'disks/*/packs/*',
  indexes: 'disks/*/indexes/*',
  verified: 'disks/*/verified/*',
  damaged: 'disks/*/damaged/*',
  runs: 'runs/*/run.json',
  plans: 'runs/*/plan.json',
  bitmaps: 'runs/*/bitmaps/*',
  shards: 'runs/*/shards.jsonl',
  receipts: 'runs/*/receipts/*',
  results: 'runs/*/results/*',
  calls: 'runs/*/calls/*',
  inventories: 'upkeep/inventories/*',
  lastSweep: 'upkeep/sweep.json',
  reports: 'reports/*',
  readerSlots: 'pools/*/readers/*',
  connections: 'connections/*',
} as const;

/**
 * What the collection judges by, written with the store's key so that no collecting role needs a right to the vault's:
 * numbers, times, ids, digests of objects and which grains are where; no content and no digest of content.
 */
export const readWithoutKey = ['ledger', 'expired', 'manifests'] as const satisfies (keyof typeof vaultPatterns)[];
