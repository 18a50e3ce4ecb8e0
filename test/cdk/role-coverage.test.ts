/** A whole run on the simulator, with every request to the vault held against the table from which the roles are made. */

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, test } from 'node:test';
import { type VaultAccess, vaultAccess } from '#cdk/vault-access.ts';
import { type Call, type CallMeter, recordCall, recordIfFailed } from '#lib/backup/call-records.ts';
import { closePoint } from '#lib/backup/close-point.ts';
import { commitPoint } from '#lib/backup/commit-point.ts';
import { readShard } from '#lib/backup/read-shard.ts';
import { runIdOf } from '#lib/backup/run-id.ts';
import { lockRule } from '#lib/backup/run-lock.ts';
import { splitExtents } from '#lib/backup/split-extents.ts';
import { planRound } from '#lib/collect/collection-round.ts';
import { SHIPPED_PRICES } from '#lib/cost/prices.ts';
import { vaultKeys, vaultPatterns } from '#lib/format/keys.ts';
import { keepFirstFailure } from '#lib/observe/first-failure.ts';
import { takeInventories } from '#lib/report/inventory.ts';
import { keepReport } from '#lib/report/keep-report.ts';
import { finishRestore } from '#lib/restore/finish-restore.ts';
import { planRestore } from '#lib/restore/plan-restore.ts';
import { verifyRange } from '#lib/restore/verify-range.ts';
import { writeRange } from '#lib/restore/write-range.ts';
import { retentionPolicy } from '#lib/retention/policy.ts';
import { pruneVms } from '#lib/retention/prune-vms.ts';
import { Secret } from '#lib/secret.ts';
import { pemSigner } from '#lib/signing/pem-signer.ts';
import { listDisks } from '#lib/vault/disks.ts';
import { verifyDisk } from '#lib/verify/verify-disk.ts';
import { accessTo, srOf } from '../fakes/host-access.ts';
import { LoneSite } from '../fakes/lone-site.ts';
import { memoryVersions } from '../fakes/memory-versions.ts';
import { crashAt, type StoreCall } from '../fakes/store-faults.ts';
import { runUntilDeath, sweepSite } from '../host/dying-site.ts';

/** A budget that no run passes: judging it takes the points of the VM. */
const GENEROUS = { perMonth: 1_000_000, onExceed: 'stop' } as const;

const DAY_MS = 86_400_000;

type Step = keyof typeof vaultAccess;
type Allowance = Exclude<keyof VaultAccess, 'folders' | 'signs'>;

const requests = new Map<Step, StoreCall[]>();
let site: LoneSite;

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const signer = pemSigner(new Secret(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()));

/** Runs one step and notes what it asked the vault for. */
async function noting<T>(step: Step, work: () => Promise<T>): Promise<T> {
  const from = site.bucket.requests.length;
  try {
    return await work();
  } finally {
    requests.set(step, [...(requests.get(step) ?? []), ...site.bucket.requests.slice(from)]);
  }
}

/** The same, with the record that a function leaves of each call. */
function recorded<T>(call: Call & { step: { name: Step } }, work: (meter: CallMeter) => Promise<T>): Promise<T> {
  return noting(call.step.name, () => recordCall(site.ports, call, work));
}

async function backUp(vm: string): Promise<void> {
  const input = site.request(vm, { lock: lockRule('governance') });
  const run = runIdOf(input.execution);
  const call = <Name extends Step>(name: Name, stage: Call['stage'] = 'before-point') => ({
    run,
    step: { name, memoryMib: 1024 },
    stage,
  });
  await recorded(call('snapshot-disks'), () => site.prepare(input));
  await recorded(call('split-extents'), () => splitExtents(site.ports, run, GENEROUS));
  const shards = await site.shards(run);
  for (const shard of shards) await noting('read-shard', () => readShard(site.ports, shard));
  const closed = { ...site.ports, connect: () => Promise.reject(new Error('no connection')) };
  const late = { ...shards[0]!, shard: 99 };
  const failing = recordIfFailed(site.ports, call('read-shard'), () => readShard(closed, late));
  await noting('read-shard', () => assert.rejects(failing, /no connection/));
  await site.store.put(`${vaultKeys.results(run)}map/manifest.json`, Buffer.from('{}'));
  await noting('keep-failure', () => keepFirstFailure(site.store, run, { error: 'HostBusy', cause: 'full' }));
  await noting('keep-failure', () => keepFirstFailure(site.store, run, { error: 'Second', cause: 'late' }));
  await recorded(call('commit-point'), (meter) =>
    commitPoint({ ...site.ports, signer, onPoint: (written) => meter.pointStands(written) }, run),
  );
  await recorded(call('release-host', 'after-point'), async (meter) => {
    await site.release(input);
    await closePoint(site.store, meter, run);
  });
  for (const disk of await noting('verify-points', () => listDisks(site.store))) {
    await noting('verify-points', () => verifyDisk(site.store, disk, { level: 1, now: new Date() }));
  }
}

/** The whole VM to the pool that it came from. */
async function restore(): Promise<void> {
  const access = await accessTo(site.sim);
  const sr = await srOf(access);
  await access.session[Symbol.asyncDispose]();
  const input = { execution: 'restore', request: { point: 'latest', sr, as: 'vm', identity: 'new' } } as const;
  const plan = await noting('plan-restore', () => planRestore(site.ports, input));
  for (const disk of plan.disks) {
    await noting('write-range', () => writeRange(site.ports, disk));
    await noting('verify-range', () => verifyRange(site.ports, disk));
  }
  const disks = plan.disks.map(({ disk }) => ({ disk, comparedBytes: 0 }));
  await noting('finish-restore', () => finishRestore(site.ports, { ...input, ...plan, disks }));
}

/** What a run needs only when something goes wrong, or only for disks larger than this test's. */
const ONLY_AT_TIMES = [
  // The lease of a run that is certainly dead, and the readers that such a run held.
  'snapshot-disks remove vms/*/lease.json',
  'snapshot-disks remove pools/*/readers/*',
  // Packs above the size of one part, and the question whether one is stored whose answer got lost.
  'read-shard upload disks/*/packs/*',
  'read-shard abort disks/*/packs/*',
  'read-shard list disks/*/packs/*',
  'sweep-runs abort disks/*/packs/*',
  // Older points whose locks move out when their day is over.
  'commit-point list disks/*/ledger/*',
  // Points that were let go, and damage that was found.
  'verify-points read disks/*/expired/*',
  'verify-points read disks/*/damaged/*',
  'verify-points write disks/*/damaged/*',
];

const allowanceOf: Record<StoreCall['operation'], readonly Allowance[]> = {
  put: ['write'],
  // A lost answer, and the answer that somebody was first, are resolved by reading.
  putIfAbsent: ['write', 'read'],
  get: ['read'],
  head: ['read'],
  list: ['list'],
  delete: ['remove'],
  extendLock: ['lock'],
  createMultipartUpload: ['upload'],
  uploadPart: ['upload'],
  completeMultipartUpload: ['upload'],
  abortMultipartUpload: ['abort'],
  listMultipartUploads: [],
};

/** As IAM matches a resource or a condition with wildcards. */
const matches = (pattern: string, key: string) => new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(key);

/** What the role of a step allows, as patterns of keys. */
function patternsOf(step: Step, allowance: Allowance): string[] {
  const access: VaultAccess = vaultAccess[step];
  const parts = [...(access[allowance] ?? []), ...(['write', 'abort'].includes(allowance) ? access.upload : [])];
  const folders = allowance === 'list' ? (access.folders ?? []).map((folder) => `${folder}*`) : [];
  return [...parts.map((part) => vaultPatterns[part]), ...folders];
}

before(async () => {
  site = await LoneSite.start();
  const bytes = Buffer.alloc(4 * 1024 * 1024, 'content ');
  const { uuid, vdis } = await site.sim.addVm({ name: 'web', disks: [{ bytes }] });
  await backUp(uuid);
  site.sim.write(vdis[0] ?? '', 65_536, Buffer.from('changed'));
  await backUp(uuid);
  for (const call of [9, 30, 40]) {
    await runUntilDeath(site, { vm: uuid }, crashAt(call, 'after'));
    await noting('sweep-runs', () => sweepSite(site));
  }
  await restore();
  await keepUp();
});
after(() => site[Symbol.asyncDispose]());

/** What the daily upkeep does once the first point has become too old for its rules. */
async function keepUp(): Promise<void> {
  const later = { now: () => new Date(Date.now() + 60 * DAY_MS), sleep: () => Promise.resolve() };
  const ports = { store: site.store, clock: later, deadline: new Date(8e15) };
  const rules = retentionPolicy.parse({ keepWithinDays: 1 });
  const { letGo } = await noting('prune-points', () => pruneVms(ports, () => rules, ''));
  assert.ok(letGo > 0);
  const versions = memoryVersions(site.bucket);
  const { stopped } = await noting('plan-collection', () => planRound({ ...ports, versions, mostVersions: 9 }, ''));
  assert.deepEqual(stopped, []);
  await noting('take-inventory', () => takeInventories(site.ports, ['lab']));
  await noting('write-report', () => keepReport(site.store, { ...REPORT, now: new Date() }));
}

const REPORT = {
  vault: 's3://vault/',
  objectiveMs: DAY_MS,
  prices: SHIPPED_PRICES,
  storageClass: 'STANDARD',
  retention: retentionPolicy.parse({ keepLast: 1, keepWithinDays: 1 }),
} as const;

test('every request of a full and of an incremental run, and of the upkeep, is one that its role allows', () => {
  const refused = [...requests].flatMap(([step, calls]) =>
    calls.flatMap(({ operation, key }) =>
      allowanceOf[operation]
        .filter((allowance) => !patternsOf(step, allowance).some((pattern) => matches(pattern, key)))
        .map((allowance) => `${step} may not ${allowance} ${key} (${operation})`),
    ),
  );
  assert.deepEqual([...new Set(refused)], []);
});

test('what a role allows is what its step has a use for', () => {
  const allowances: readonly Allowance[] = ['read', 'write', 'list', 'remove', 'upload', 'abort'];
  const used = (step: Step, allowance: Allowance, pattern: string) =>
    (requests.get(step) ?? []).some(
      ({ operation, key }) => allowanceOf[operation].includes(allowance) && matches(pattern, key),
    );
  const unused = (Object.keys(vaultAccess) as Step[]).flatMap((step) =>
    allowances.flatMap((allowance) =>
      patternsOf(step, allowance)
        .filter((pattern) => !used(step, allowance, pattern))
        .map((pattern) => `${step} ${allowance} ${pattern}`),
    ),
  );
  assert.deepEqual(unused.sort(), ONLY_AT_TIMES.toSorted());
});
