import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { parseDocument } from '#lib/format/document.ts';
import { expiry } from '#lib/format/expiry.ts';
import { ledgerEntry } from '#lib/format/ledger.ts';
import { vmPoint } from '#lib/format/point.ts';
import { signature } from '#lib/format/signature.ts';
import { verification } from '#lib/format/verification.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { type DiskId, parseDiskId } from '#lib/units.ts';
import { readEntry } from '#lib/vault/ledger.ts';
import { ManifestReader } from '#lib/vault/manifest-reader.ts';
import { PackIndexes } from '#lib/vault/pack-indexes.ts';
import { readVault } from '#lib/vault/vault-document.ts';
import { findingOf } from '#lib/verify/failures-as-findings.ts';
import { readWholePack } from '#lib/verify/read-whole-pack.ts';
import { LoneDisk } from '../fakes/lone-disk.ts';
import { bodyOf, harm, vaultOfEveryKind } from '../fakes/vault-of-every-kind.ts';
import { GOLDEN_DISK, GOLDEN_FILE, GOLDEN_VAULTS } from '../format/golden-vault.ts';

/** Reads an object of the vault as a restore or a check does, and throws when it is not what was written. */
type Read = (store: ObjectStore, key: string) => Promise<unknown>;

/** Every manifest of a disk with the pack table of it, as the ledger leads there; made before anything is harmed. */
async function readersOf(store: ObjectStore, disk: DiskId, points: number): Promise<Map<string, Read>> {
  const readers = new Map<string, Read>([['vault.json', readVault]]);
  for (let seq = 1; seq <= points; seq++) {
    const { entry } = await readEntry(store, { disk, seq });
    const { header } = await ManifestReader.open(store, entry.manifest);
    readers.set(entry.manifest.key, async (from) => {
      const manifest = await ManifestReader.open(from, entry.manifest);
      for (let section = 0; section < header.sections.length; section++) await manifest.section(section);
    });
    for (const pack of header.packs) {
      const name = `${pack.run}/${pack.pack}`;
      readers.set(`disks/${disk}/indexes/${name}.bfi`, (from) => new PackIndexes(from, disk).get(pack));
      readers.set(`disks/${disk}/packs/${name}.zst`, (from) => readWholePack(from, disk, pack));
    }
  }
  return readers;
}

const DOCUMENTS = [
  [/\/ledger\//, ledgerEntry],
  [/\/points\//, vmPoint],
  [/\/expired\//, expiry],
  [/\/signatures\//, signature],
  [/\/verified\//, verification],
] as const;

const documentReader =
  (key: string): Read =>
  async (store) => {
    const [, schema] = DOCUMENTS.find(([pattern]) => pattern.test(key)) ?? assert.fail(`nothing reads ${key}`);
    return parseDocument(schema, await store.get(key), key);
  };

/** Inverts one bit of every byte, another one from byte to byte; answers with how many there were. */
async function flipEveryByte(disk: LoneDisk, key: string, read: Read): Promise<number> {
  const body = bodyOf(disk, key);
  assert.equal(await findingOf(() => read(disk.store, key)), undefined, `${key} is whole at first`);
  for (let at = 0; at < body.length; at++) {
    const flipped = Buffer.from(body);
    flipped[at]! ^= 1 << (at % 8);
    harm(disk, key, flipped);
    assert.notEqual(await findingOf(() => read(disk.store, key)), undefined, `byte ${at} of ${key} was changed unseen`);
  }
  harm(disk, key, body);
  return body.length;
}

for (const { kind, file } of GOLDEN_VAULTS) {
  test(`invariant 15, tamper detection: whichever byte of the golden vault ${kind} is changed, its reader refuses the object`, async () => {
    const disk = new LoneDisk({ disk: parseDiskId(GOLDEN_DISK) });
    const objects: Record<string, string> = JSON.parse(await readFile(file, 'utf8'));
    for (const [key, body] of Object.entries(objects)) await disk.store.put(key, Buffer.from(body, 'base64'));
    const readers = await readersOf(disk.store, disk.disk, 2);
    // The two differ in their manifests only.
    const keys = Object.keys(objects).filter((key) => file === GOLDEN_FILE || key.includes('/manifests/'));
    let flipped = 0;
    for (const key of keys) flipped += await flipEveryByte(disk, key, readers.get(key) ?? documentReader(key));
    assert.ok(flipped > (file === GOLDEN_FILE ? 5000 : 1000), `${flipped} bytes`);
  });
}

test('invariant 15, tamper detection: the same holds for expiries, signatures and verifications', async () => {
  const { disk, keys } = await vaultOfEveryKind();
  for (const kind of ['expiry', 'signature', 'verification'] as const) {
    const [key = ''] = keys(kind);
    assert.ok((await flipEveryByte(disk, key, documentReader(key))) > 300);
  }
});
