/** A small vault with at least two objects of every kind that lasts, for tests that harm it. */

import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { vaultKeys } from '#lib/format/keys.ts';
import { retentionPolicy } from '#lib/retention/policy.ts';
import { carryOutPrune, planPrune } from '#lib/retention/prune.ts';
import { Secret } from '#lib/secret.ts';
import { pemSigner } from '#lib/signing/pem-signer.ts';
import { GRAIN_BYTES } from '#lib/units.ts';
import { liveKeys, readHistory } from '#lib/vault/live-objects.ts';
import { openOrCreateVault } from '#lib/vault/vault-document.ts';
import { verifyDisk } from '#lib/verify/verify-disk.ts';
import { LoneDisk } from './lone-disk.ts';

const DAY_MS = 86_400_000;

/** Prefixes of keys, by kind; `%` stands for the disk. */
export const KINDS = {
  vault: 'vault.json',
  point: 'vms/5e4e0000-0000-4000-8000-00000000000a/points/',
  metadata: 'vms/5e4e0000-0000-4000-8000-00000000000a/metadata/',
  ledger: 'disks/%/ledger/',
  expiry: 'disks/%/expired/',
  signature: 'disks/%/signatures/',
  manifest: 'disks/%/manifests/',
  index: 'disks/%/indexes/',
  pack: 'disks/%/packs/',
  verification: 'disks/%/verified/',
} as const;
export type Kind = keyof typeof KINDS;

export interface VaultOfEveryKind {
  readonly disk: LoneDisk;
  readonly publicKey: KeyObject;
  /** Without what only points need that were let go: it may vanish at any moment. */
  keys(kind: Kind): string[];
}

/** Four points, of which the first two were let go and still have their data. Content compresses to almost nothing. */
export async function vaultOfEveryKind(): Promise<VaultOfEveryKind> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signer = pemSigner(new Secret(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()));
  const disk = new LoneDisk({ signer, metadata: Buffer.from('what the host says of the VM') });
  await openOrCreateVault(disk.store, { vault: '0123456789abcdef', created: disk.now });
  for (const day of [1, 2, 3, 4]) {
    const content = Buffer.alloc(9 * GRAIN_BYTES + 1024);
    for (let grain = 0; grain < 10; grain += 2)
      content.fill(grain % 4 === 0 ? day : 7, grain * GRAIN_BYTES, (grain + 1) * GRAIN_BYTES);
    await disk.backUp(content);
    await verifyDisk(disk.store, disk.disk, { level: 1, now: disk.now });
    disk.nowMs += DAY_MS;
  }
  const rules = retentionPolicy.parse({ keepLast: 2, keepWithinDays: 1 });
  await carryOutPrune(disk.store, await planPrune(disk.store, () => rules, disk.now), disk.now);
  const afterGrace = new Date(disk.nowMs + 60 * DAY_MS);
  const live = await liveKeys(disk.store, await readHistory(disk.store, disk.disk), afterGrace);
  const isCollectible = (kind: Kind) => kind === 'manifest' || kind === 'index' || kind === 'pack';
  return {
    disk,
    publicKey: createPublicKey(privateKey),
    keys: (kind) =>
      disk.bucket.objects
        .keys(KINDS[kind].replace('%', disk.disk))
        .filter((key) => !isCollectible(kind) || live.has(key)),
  };
}

/** Puts other bytes under a key, or none, without the store knowing of it. */
export function harm({ bucket }: LoneDisk, key: string, body: Buffer | undefined): void {
  bucket.objects.vanish(key);
  if (body !== undefined) bucket.objects.write(key, body);
}

export function bodyOf({ bucket }: LoneDisk, key: string): Buffer {
  return Buffer.from(bucket.objects.current(key)?.body ?? []);
}

/** The ledger entry as a key, for tests that cut a ledger. */
export const entryKey = (disk: LoneDisk, seq: number) => vaultKeys.ledgerEntry(disk.disk, seq);
