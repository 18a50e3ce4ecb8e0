/** A vault whose documents somebody rewrote who can compute every digest: what they say must not lead anywhere else. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { encodeDocument } from '#lib/format/document.ts';
import { DamagedObject } from '#lib/format/failures.ts';
import { decodeFrame, decodeManifestHeader, decodeSectionBody, encodeManifestHeader } from '#lib/format/frame.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { listPoints } from '#lib/restore/points.ts';
import { retentionPolicy } from '#lib/retention/policy.ts';
import { carryOutPrune, planPrune } from '#lib/retention/prune.ts';
import { GRAIN_BYTES, MIB } from '#lib/units.ts';
import { LoneDisk } from '../fakes/lone-disk.ts';

const DAY_MS = 86_400_000;
const CONTENTS = [1, 2, 3].map((fill) => Buffer.alloc(8 * GRAIN_BYTES, fill));

async function threeDays(): Promise<LoneDisk> {
  const disk = new LoneDisk();
  for (const content of CONTENTS) {
    disk.nowMs += DAY_MS;
    await disk.backUp(content);
  }
  return disk;
}

/** Exchanges fields of a document and makes its digest fit. */
async function forge(disk: LoneDisk, key: string, changes: object): Promise<void> {
  const { digest: _digest, ...document } = JSON.parse((await disk.store.get(key)).toString());
  disk.bucket.objects.write(key, encodeDocument({ ...document, ...changes }), {});
}

test('a point that names another object as its metadata does not make prune delete that', async () => {
  const disk = await threeDays();
  const [first] = await listPoints(disk.store);
  const ledger = vaultKeys.ledgerEntry(disk.disk, 3);
  for (const target of [ledger, 'vault.json', '../elsewhere', `disks/${disk.disk}/../../vault.json`]) {
    await disk.store.put(target, await disk.store.get(ledger));
    await forge(disk, vaultKeys.point(disk.vm, first!.point), { metadataKey: target });
    const copy = new LoneDisk({ bucket: disk.bucket, disk: disk.disk });
    const plan = await planPrune(copy.store, () => retentionPolicy.parse({ keepLast: 2 }), disk.now);
    disk.bucket.requests.length = 0;
    await carryOutPrune(copy.store, { ...plan, unnamed: [] }, disk.now);
    const deleted = disk.bucket.requests.filter(({ operation }) => operation === 'delete').map(({ key }) => key);
    assert.deepEqual(
      deleted.filter((key) => !key.startsWith(`vms/${disk.vm}/`)),
      [],
      target,
    );
    await disk.store.put(vaultKeys.point(disk.vm, first!.point), encodeDocument(first!.point));
  }
});

test('an entry that names the manifest of another point restores nothing under its name', async () => {
  const disk = await threeDays();
  const { manifest } = JSON.parse((await disk.store.get(vaultKeys.ledgerEntry(disk.disk, 2))).toString());
  await forge(disk, vaultKeys.ledgerEntry(disk.disk, 3), { manifest });
  await assert.rejects(disk.restore(3), /names disks.*the manifest of another point/);
  assert.ok((await disk.restore(2)).equals(CONTENTS[1]!));
});

test('an older entry that was rewritten breaks the chain, whatever digests were made to fit', async () => {
  const disk = await threeDays();
  await forge(disk, vaultKeys.ledgerEntry(disk.disk, 1), { time: new Date(0) });
  await assert.rejects(disk.restore(1), DamagedObject);
  assert.ok((await disk.restore(3)).equals(CONTENTS[2]!));
});

for (const [what, change, failure] of [
  ['a disk of 8 PiB', { diskBytes: 2 ** 53 - 1 }, /sections for/],
  ['a header of 4 GiB', { key: 'x', bytes: 2 ** 40 }, /digest|ledger|manifest|no such object/],
] as const) {
  test(`a manifest or entry that claims ${what} is refused before memory is taken for it`, async () => {
    const disk = await threeDays();
    const key = vaultKeys.ledgerEntry(disk.disk, 3);
    const { manifest } = JSON.parse((await disk.store.get(key)).toString());
    if ('key' in change)
      await forge(disk, key, { manifest: { ...manifest, bytes: change.bytes, headerSha256: 'ab'.repeat(32) } });
    else disk.bucket.objects.write(manifest.key, await claimed(disk, manifest.key, change), {});
    const before = process.memoryUsage().arrayBuffers;
    await assert.rejects(
      disk.restore(3),
      (error: Error) => failure.test(error.message) || error instanceof DamagedObject,
    );
    assert.ok(process.memoryUsage().arrayBuffers - before < 64 * MIB);
  });
}

async function claimed(disk: LoneDisk, key: string, change: object): Promise<Buffer> {
  const bytes = await disk.store.get(key);
  const end = 12 + bytes.readUInt32LE(8);
  const { digest: _digest, ...header } = JSON.parse(zstdDecompressSync(bytes.subarray(12, end)).toString());
  const stored = encodeManifestHeader(encodeDocument({ ...header, ...change }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(stored.length);
  return Buffer.concat([bytes.subarray(0, 8), length, stored, bytes.subarray(end)]);
}

test('a compression bomb in a frame, a section or a header is stopped at what an honest one can hold', () => {
  const bomb = zstdCompressSync(Buffer.alloc(256 * MIB), { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
  const before = process.memoryUsage().arrayBuffers;
  assert.ok(bomb.length < MIB);
  assert.throws(() => decodeFrame(bomb, { grains: 4, where: 'the bomb' }), DamagedObject);
  assert.throws(() => decodeSectionBody(bomb, 'the bomb'), DamagedObject);
  assert.throws(() => decodeManifestHeader(bomb, 'the bomb'), DamagedObject);
  assert.ok(process.memoryUsage().arrayBuffers - before < 300 * MIB);
});
