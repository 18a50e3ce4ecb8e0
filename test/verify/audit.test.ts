import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { before, describe, test } from 'node:test';
import { encodeDocument } from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { type Anchor, auditVault } from '#lib/verify/audit.ts';
import { verifyDisk } from '#lib/verify/verify-disk.ts';
import { memoryVersions } from '../fakes/memory-versions.ts';
import {
  bodyOf,
  entryKey,
  harm,
  KINDS,
  type Kind,
  type VaultOfEveryKind,
  vaultOfEveryKind,
} from '../fakes/vault-of-every-kind.ts';

let vault: VaultOfEveryKind;
let anchor: Anchor;

/** What the audit says, with the public key; should it have nothing to say, what the verification of whole packs does. */
async function inspect(): Promise<string[]> {
  const { disk, publicKey } = vault;
  const { findings } = await auditVault({ store: disk.store, publicKeys: [publicKey] }, anchor);
  if (findings.length > 0) return findings.map(({ key, what }) => `${key}: ${what}`);
  const level = { level: 2, share: { part: 0, of: 1 }, now: disk.now } as const;
  const left = new Set(disk.bucket.objects.keys());
  const record = await verifyDisk(disk.store, disk.disk, level).catch((failure: Error) => failure);
  for (const key of disk.bucket.objects.keys()) if (!left.has(key)) disk.bucket.objects.vanish(key);
  if (record instanceof Error) return [record.message];
  return (record?.findings ?? []).map(({ key, what }) => `${key}: ${what}`);
}

/** Whatever can be restored of the points that stand is what was backed up. */
async function nothingWrongComesBack(): Promise<void> {
  for (const seq of [3, 4]) {
    const restored = await vault.disk.restore(seq).catch((failure: Error) => failure);
    assert.ok(
      restored instanceof Error || restored.equals(vault.disk.contents[seq - 1]!),
      `point ${seq} came back wrong`,
    );
  }
}

/** Harms objects, expects a finding, and puts everything back. */
async function noticed(changes: ReadonlyMap<string, Buffer | undefined>): Promise<string> {
  const before = new Map([...changes.keys()].map((key) => [key, bodyOf(vault.disk, key)]));
  for (const [key, body] of changes) harm(vault.disk, key, body);
  try {
    await nothingWrongComesBack();
    return (await inspect()).join('\n');
  } finally {
    for (const [key, body] of before) harm(vault.disk, key, body.length > 0 ? body : undefined);
  }
}

before(async () => {
  vault = await vaultOfEveryKind();
  const { vault: name, heads } = await auditVault({ store: vault.disk.store });
  anchor = { vault: name, heads };
});

const kinds = Object.keys(KINDS) as Kind[];
/** What nobody can miss: a verification is evidence, and nothing refers to one. */
const REMOVED_UNSEEN: readonly Kind[] = ['verification'];

test('a vault with every kind of object gives no finding, and is signed up to its head', async () => {
  for (const kind of kinds)
    assert.ok(vault.keys(kind).length > (kind === 'vault' ? 0 : 1), `there are objects of kind ${kind}`);
  assert.deepEqual(await inspect(), []);
  const { signed } = await auditVault({ store: vault.disk.store, publicKeys: [vault.publicKey] });
  assert.deepEqual(
    signed.map(({ disk, seq, signatures }) => ({ disk, seq, signatures })),
    [{ disk: vault.disk.disk, seq: 4, signatures: 4 }],
  );
  assert.match(signed[0]?.key ?? '', /^sha256:/);
});

describe('invariant 15, tamper detection: an object of each kind', () => {
  for (const kind of kinds) {
    test(`${kind}, changed`, async () => {
      for (const key of vault.keys(kind)) {
        const body = bodyOf(vault.disk, key);
        body[Math.floor(body.length / 2)]! ^= 4;
        assert.notEqual(await noticed(new Map([[key, body]])), '', key);
      }
    });

    test(`${kind}, truncated`, async () => {
      for (const key of vault.keys(kind)) {
        const body = bodyOf(vault.disk, key);
        for (const cut of [0, body.length - 1]) {
          assert.notEqual(await noticed(new Map([[key, body.subarray(0, cut)]])), '', `${key} cut to ${cut}`);
        }
      }
    });

    test(`${kind}, ${REMOVED_UNSEEN.includes(kind) ? 'removed: nothing refers to it, and no point needs it' : 'removed'}`, async () => {
      for (const key of vault.keys(kind)) {
        const said = await noticed(new Map([[key, undefined]]));
        // Each signature speaks for all entries before it too: only the newest is missed.
        const isSpare = kind === 'signature' && key !== vault.keys('signature').at(-1);
        assert.equal(said === '', REMOVED_UNSEEN.includes(kind) || isSpare, `${key}: ${said}`);
      }
    });

    test(`${kind}, ${kind === 'vault' ? 'replaced by that of another vault' : 'swapped with another'}`, async () => {
      const [one = '', other = ''] = vault.keys(kind).slice(-2);
      const changes =
        kind === 'vault'
          ? new Map([[one, otherVault()]])
          : new Map([
              [one, bodyOf(vault.disk, other)],
              [other, bodyOf(vault.disk, one)],
            ]);
      const said = await noticed(changes);
      // Metadata of two points of one VM that did not change in between are the same bytes.
      assert.equal(said === '', kind === 'metadata', said);
    });
  }

  test('metadata, replaced by that of another time', async () => {
    const [key = ''] = vault.keys('metadata');
    assert.match(
      await noticed(new Map([[key, Buffer.from('what the host said a year ago..')]])),
      /another digest than its restore point/,
    );
  });
});

function otherVault(): Buffer {
  const created = new Date('2026-01-05T12:00:00Z');
  return encodeDocument({ version: 1, requires: [], vault: 'fedcba9876543210', created });
}

describe('invariant 15, tamper detection: a ledger that was rolled back', () => {
  /** The newest point with everything that speaks of it, as if it had never been made. */
  const rolledBack = () => {
    const { disk } = vault;
    const run = JSON.parse(bodyOf(disk, entryKey(disk, 4)).toString()).run as string;
    const keys = disk.bucket.objects.keys().filter((key) => key.includes(run) && !/^(runs|connections)/.test(key));
    const evidence = [...vault.keys('verification').slice(-1), vaultKeys.signature(disk.disk, 4), entryKey(disk, 4)];
    return new Map<string, Buffer | undefined>([...keys, ...evidence].map((key) => [key, undefined]));
  };

  test('is noticed by an anchor although the vault is consistent in itself', async () => {
    assert.match(await noticed(rolledBack()), /entry|rolled back/);
  });

  test('is not noticed without an anchor: that is what the file kept elsewhere is for', async () => {
    const kept = anchor;
    anchor = { heads: [] };
    const said = await noticed(rolledBack());
    anchor = kept;
    assert.equal(said, '');
  });

  test('is noticed by the evidence in the vault when only the ledger was cut', async () => {
    const kept = anchor;
    anchor = { heads: [] };
    const said = await noticed(new Map([[entryKey(vault.disk, 4), undefined]]));
    anchor = kept;
    assert.match(said, /names entry 4 .* is gone/);
    assert.match(said, /verified.* knows: the ledger was rolled back/);
    assert.match(said, /signs another entry 4 than the ledger holds/);
  });

  test('is noticed when a whole disk is gone', async () => {
    const keys = vault.disk.bucket.objects.keys(`disks/${vault.disk.disk}/`);
    assert.match(await noticed(new Map(keys.map((key) => [key, undefined]))), /is gone, with everything of its disk/);
  });
});

describe('signatures', () => {
  test('a history made up by somebody who can write everything and not sign is noticed', async () => {
    const { disk } = vault;
    const entry = JSON.parse(bodyOf(disk, entryKey(disk, 4)).toString());
    const forged = encodeDocument({ ...entry, digest: undefined, time: '2026-01-09T00:00:00.000Z' });
    const said = await noticed(
      new Map([
        [entryKey(disk, 4), forged],
        [vaultKeys.signature(disk.disk, 4), undefined],
      ]),
    );
    assert.match(said, /ledger\/0000000004.json: is not signed; only entry 3 of this ledger is/);
  });

  test('an entry that was added by somebody who cannot sign is noticed', async () => {
    const said = await noticed(new Map([[vaultKeys.signature(vault.disk.disk, 4), undefined]]));
    assert.match(said, /ledger\/0000000004.json: is not signed; only entry 3/);
  });

  test('a signature by another key is none', async () => {
    const { disk } = vault;
    const stranger = createPublicKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
    const { findings, signed } = await auditVault({ store: disk.store, publicKeys: [stranger] });
    assert.deepEqual(signed, []);
    assert.equal(findings.filter(({ what }) => /none of the public keys given confirms it/.test(what)).length, 4);
    assert.ok(findings.some(({ what }) => /is not signed; no entry of this ledger is/.test(what)));
  });

  test('after a change of keys both are given, and each signature is confirmed by the one that made it', async () => {
    const stranger = createPublicKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
    const { findings } = await auditVault({ store: vault.disk.store, publicKeys: [stranger, vault.publicKey] });
    assert.deepEqual(findings, []);
  });

  test('without a public key signatures are not asked for', async () => {
    for (const key of vault.keys('signature')) assert.ok(key);
    const { findings, signed } = await auditVault({ store: vault.disk.store });
    assert.deepEqual([findings, signed], [[], []]);
  });
});

test('an expiry that somebody added for a point that stands is reported', async () => {
  const { disk } = vault;
  const [first = ''] = vault.keys('expiry');
  const document = JSON.parse(bodyOf(disk, first).toString());
  const { run } = JSON.parse(bodyOf(disk, entryKey(disk, 3)).toString());
  const next = JSON.parse(bodyOf(disk, entryKey(disk, 4)).toString());
  const forged = encodeDocument({ ...document, digest: undefined, seq: 3, run, entrySha256: next.previousSha256 });
  const said = await noticed(new Map([[vaultKeys.expiry(disk.disk, 3), forged]]));
  assert.match(said, /lets go an entry that restore point .* names/);
});

test('in a bucket with versions, an object that was overwritten or deleted is reported with what is still there', async () => {
  const { disk } = await vaultOfEveryKind();
  const ports = { store: disk.store, versions: memoryVersions(disk.bucket) };
  assert.deepEqual((await auditVault(ports)).findings, []);
  const [pack = ''] = disk.bucket.objects.keys(vaultKeys.packs(disk.disk));
  const [manifest = ''] = disk.bucket.objects.keys(vaultKeys.manifests(disk.disk));
  disk.bucket.objects.write(pack, Buffer.from('something else'));
  await disk.store.delete(manifest);
  const { findings } = await auditVault(ports);
  const said = findings.map(({ key, what }) => `${key}: ${what}`).join('\n');
  assert.match(said, new RegExp(`${pack}: was overwritten or deleted; this older version is still there`));
  assert.match(said, new RegExp(`${manifest}: was deleted; an older version is still there`));
});
