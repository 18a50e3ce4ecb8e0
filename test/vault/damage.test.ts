import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { vaultKeys } from '#lib/format/keys.ts';
import { GRAIN_BYTES } from '#lib/units.ts';
import { openOrCreateVault } from '#lib/vault/vault-document.ts';
import { auditVault } from '#lib/verify/audit.ts';
import { verifyDisk } from '#lib/verify/verify-disk.ts';
import { LoneDisk } from '../fakes/lone-disk.ts';
import { memoryVersions } from '../fakes/memory-versions.ts';

const DAY_MS = 86_400_000;

/** Two points; content that compresses, so that the vault is small enough to be harmed at every place. */
async function smallVault(): Promise<LoneDisk> {
  const disk = new LoneDisk();
  await openOrCreateVault(disk.store, { vault: '0123456789abcdef', created: disk.now });
  const content = Buffer.alloc(9 * GRAIN_BYTES + 1024);
  for (const [grain, value] of [1, 0, 2, 3, 0, 0, 4, 5, 6, 7].entries()) content.fill(value, grain * GRAIN_BYTES);
  await disk.backUp(content);
  disk.nowMs += DAY_MS;
  const next = Buffer.from(content);
  next.fill(9, 3 * GRAIN_BYTES, 5 * GRAIN_BYTES);
  next.fill(0, 6 * GRAIN_BYTES, 7 * GRAIN_BYTES);
  await disk.backUp(next);
  return disk;
}

const fixed = (disk: LoneDisk) => disk.bucket.objects.keys().filter((key) => /^(disks\/|vms\/|vault\.json$)/.test(key));

/** Everything that looks for damage; what each says. */
async function inspect(disk: LoneDisk): Promise<string[]> {
  const said: string[] = [];
  const audit = await auditVault({ store: disk.store });
  said.push(...audit.findings.map(({ key, what }) => `${key}: ${what}`));
  const record = await verifyDisk(disk.store, disk.disk, {
    level: 2,
    share: { part: 0, of: 1 },
    now: new Date(disk.nowMs),
  }).catch((failure: Error) => failure);
  if (record instanceof Error) said.push(record.message);
  else said.push(...(record?.findings ?? []).map(({ key, what }) => `${key}: ${what}`));
  for (const key of disk.bucket.objects.keys().filter((written) => /verified|damaged/.test(written))) {
    disk.bucket.objects.vanish(key);
  }
  return said;
}

async function restoresNothingWrong(disk: LoneDisk): Promise<void> {
  for (const [i, content] of disk.contents.entries()) {
    const restored = await disk.restore(i + 1).catch((failure: Error) => failure);
    if (restored instanceof Error) continue;
    assert.ok(restored.equals(content), `point ${i + 1} was restored with wrong bytes`);
  }
}

test('a whole vault gives no finding, and every point restores', async () => {
  const disk = await smallVault();
  assert.deepEqual(await inspect(disk), []);
  for (const [i, content] of disk.contents.entries()) assert.ok((await disk.restore(i + 1)).equals(content));
});

test('invariant 15, tamper detection: any byte of any object changed is found, and never restored as wrong data', async () => {
  const disk = await smallVault();
  let harmed = 0;
  for (const key of fixed(disk)) {
    const body = Buffer.from(disk.bucket.objects.current(key)?.body ?? []);
    // A prime step, so that over all objects every kind of field is hit; the store knows nothing of the change.
    for (let at = harmed % 17; at < body.length; at += 17) {
      const flipped = Buffer.from(body);
      flipped[at]! ^= 1 << (harmed++ % 8);
      disk.bucket.objects.vanish(key);
      disk.bucket.objects.write(key, flipped);
      await restoresNothingWrong(disk);
      assert.notDeepEqual(await inspect(disk), [], `byte ${at} of ${key} was changed and nobody noticed`);
    }
    disk.bucket.objects.vanish(key);
    disk.bucket.objects.write(key, body);
  }
  assert.ok(harmed > 200, `${harmed} bytes were changed`);
});

test('invariant 15, tamper detection: an object removed, cut or made longer is found', async () => {
  const disk = await smallVault();
  for (const key of fixed(disk)) {
    const body = Buffer.from(disk.bucket.objects.current(key)?.body ?? []);
    for (const [how, harm] of [
      ['removed', undefined],
      ['cut', body.subarray(0, -1)],
      ['longer', Buffer.concat([body, Buffer.from('x')])],
    ] as const) {
      disk.bucket.objects.vanish(key);
      if (harm !== undefined) disk.bucket.objects.write(key, harm);
      await restoresNothingWrong(disk);
      assert.notDeepEqual(await inspect(disk), [], `${key} was ${how} and nobody noticed`);
    }
    disk.bucket.objects.vanish(key);
    disk.bucket.objects.write(key, body);
  }
});

test('invariant 15, tamper detection: two objects of a kind that change places are found', async () => {
  const disk = await smallVault();
  for (const prefix of [
    vaultKeys.ledgerEntries(disk.disk),
    vaultKeys.manifests(disk.disk),
    vaultKeys.packs(disk.disk),
    vaultKeys.indexes(disk.disk),
    vaultKeys.points(disk.vm),
  ]) {
    const [one = '', other = ''] = disk.bucket.objects.keys(prefix);
    const swap = () => {
      const [a, b] = [one, other].map((key) => Buffer.from(disk.bucket.objects.current(key)?.body ?? []));
      for (const key of [one, other]) disk.bucket.objects.vanish(key);
      disk.bucket.objects.write(one, b!);
      disk.bucket.objects.write(other, a!);
    };
    swap();
    await restoresNothingWrong(disk);
    assert.notDeepEqual(await inspect(disk), [], `${one} and ${other} changed places and nobody noticed`);
    swap();
  }
});

test('a ledger whose tail was cut off is found by restore points, by verifications and by an anchor', async () => {
  const disk = await smallVault();
  const { heads } = await auditVault({ store: disk.store });
  await verifyDisk(disk.store, disk.disk, { level: 1, now: new Date(disk.nowMs) });
  disk.bucket.objects.vanish(vaultKeys.ledgerEntry(disk.disk, 2));
  const { findings } = await auditVault({ store: disk.store }, { heads });
  const said = findings.map(({ what }) => what).join('\n');
  assert.match(said, /names entry 2 .* is gone/);
  assert.match(said, /verified.* knows: the ledger was rolled back/);
  assert.match(said, /the anchor knows: the ledger was rolled back/);
});

test('an overwritten object whose old version is still there is reported as such', async () => {
  const disk = await smallVault();
  const versions = memoryVersions(disk.bucket);
  assert.deepEqual((await auditVault({ store: disk.store, versions })).findings, []);
  const [pack = ''] = disk.bucket.objects.keys(vaultKeys.packs(disk.disk));
  disk.bucket.objects.write(pack, randomBytes(100));
  const { findings } = await auditVault({ store: disk.store, versions });
  assert.ok(findings.some(({ key, what }) => key === pack && /was overwritten/.test(what)));
});
