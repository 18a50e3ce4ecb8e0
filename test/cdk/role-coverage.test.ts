/** A whole run on the simulator, with every request to the vault held against the table from which the roles are made. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type VaultAccess, vaultAccess } from '#cdk/vault-access.ts';
import { commitPoint } from '#lib/backup/commit-point.ts';
import { readShard } from '#lib/backup/read-shard.ts';
import { splitExtents } from '#lib/backup/split-extents.ts';
import { vaultPatterns } from '#lib/format/keys.ts';
import { keepFirstFailure } from '#lib/observe/first-failure.ts';
import { LoneSite } from '../fakes/lone-site.ts';
import type { StoreCall } from '../fakes/store-faults.ts';

type Step = keyof typeof vaultAccess;
type Part = keyof typeof vaultPatterns;

const requests = new Map<Step, StoreCall[]>();
let site: LoneSite;

/** Runs one step and notes what it asked the vault for. */
async function noting<T>(step: Step, work: () => Promise<T>): Promise<T> {
  const from = site.bucket.requests.length;
  try {
    return await work();
  } finally {
    requests.set(step, [...(requests.get(step) ?? []), ...site.bucket.requests.slice(from)]);
  }
}

async function backUp(vm: string): Promise<void> {
  const input = site.request(vm);
  const run = await noting('snapshot-disks', () => site.prepare(input));
  await noting('split-extents', () => splitExtents(site.ports, run));
  for (const shard of await site.shards(run)) await noting('read-shard', () => readShard(site.ports, shard));
  await noting('keep-failure', () => keepFirstFailure(site.store, run, { error: 'HostBusy', cause: 'full' }));
  await noting('keep-failure', () => keepFirstFailure(site.store, run, { error: 'Second', cause: 'late' }));
  await noting('commit-point', () => commitPoint(site.ports, run));
  await noting('release-host', () => site.release(input));
}

/** What a run needs only when something goes wrong, or only for disks larger than this test's. */
const ONLY_AT_TIMES = [
  // The lease of a run that is certainly dead.
  'snapshot-disks remove leases',
  // Packs above the size of one part, and the question whether one is stored whose answer got lost.
  'read-shard upload packs',
  'read-shard read packs',
];

const allowanceOf: Record<StoreCall['operation'], readonly (keyof VaultAccess)[]> = {
  put: ['write'],
  // A lost answer, and the answer that somebody was first, are resolved by reading.
  putIfAbsent: ['write', 'read'],
  get: ['read'],
  head: ['read'],
  list: ['list'],
  delete: ['remove'],
  createMultipartUpload: ['upload'],
  uploadPart: ['upload'],
  completeMultipartUpload: ['upload', 'read'],
  abortMultipartUpload: ['upload'],
  listMultipartUploads: [],
};

/** As IAM matches a resource or a condition with wildcards. */
const matches = (pattern: string, key: string) => new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(key);
const partOf = (key: string) =>
  (Object.keys(vaultPatterns) as Part[]).find((part) => matches(vaultPatterns[part], key)) ?? assert.fail(key);

before(async () => {
  site = await LoneSite.start();
  const bytes = Buffer.alloc(4 * 1024 * 1024, 'content ');
  const { uuid, vdis } = await site.sim.addVm({ name: 'web', disks: [{ bytes }] });
  await backUp(uuid);
  site.sim.write(vdis[0] ?? '', 65_536, Buffer.from('changed'));
  await backUp(uuid);
});
after(() => site[Symbol.asyncDispose]());

test('every request of a full and of an incremental run is one that the role of its step allows', () => {
  const refused = [...requests].flatMap(([step, calls]) =>
    calls.flatMap(({ operation, key }) =>
      allowanceOf[operation]
        .filter((allowance) => {
          const access: VaultAccess = vaultAccess[step];
          const parts = [...(access[allowance] ?? []), ...(allowance === 'write' ? access.upload : [])];
          return !parts.some((part) => matches(vaultPatterns[part], key));
        })
        .map((allowance) => `${step} may not ${allowance} ${partOf(key)} (${operation})`),
    ),
  );
  assert.deepEqual([...new Set(refused)], []);
});

test('what a role allows is what its step has a use for', () => {
  const used = (step: Step, allowance: keyof VaultAccess, part: Part) =>
    (requests.get(step) ?? []).some(
      ({ operation, key }) => allowanceOf[operation].includes(allowance) && matches(vaultPatterns[part], key),
    );
  const unused = (Object.keys(vaultAccess) as Step[]).flatMap((step) =>
    (Object.entries(vaultAccess[step]) as [keyof VaultAccess, readonly Part[]][]).flatMap(([allowance, parts]) =>
      parts.filter((part) => !used(step, allowance, part)).map((part) => `${step} ${allowance} ${part}`),
    ),
  );
  assert.deepEqual(unused.sort(), ONLY_AT_TIMES.toSorted());
});
