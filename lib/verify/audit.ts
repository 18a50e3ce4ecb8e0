/**
 * The audit looks for tampering: objects changed, removed, swapped, rolled back or cut. It reads every document, manifest
 * and pack index, and asks for size and checksum of every pack; what is inside packs is for verification level 2.
 *
 * A chain cannot tell that its own end was cut off. That takes an anchor: what the restore points and earlier
 * verifications say about the ledger, and a list of heads that was kept elsewhere.
 */

import type { KeyObject } from 'node:crypto';
import { parseDocument } from '#lib/format/document.ts';
import { DamagedObject } from '#lib/format/failures.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { sha256Of } from '#lib/format/manifest.ts';
import type { VmPoint } from '#lib/format/point.ts';
import { verification } from '#lib/format/verification.ts';
import { listPoints, type NamedPoint } from '#lib/restore/points.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { ObjectVersions } from '#lib/store/object-versions.ts';
import type { DiskId, Sha256 } from '#lib/units.ts';
import { listDisks } from '#lib/vault/disks.ts';
import { readLedger, type StoredEntry } from '#lib/vault/ledger.ts';
import type { ManifestReader } from '#lib/vault/manifest-reader.ts';
import { PackIndexes } from '#lib/vault/pack-indexes.ts';
import { readVault } from '#lib/vault/vault-document.ts';
import { auditSignatures, type SignedDisk } from './audit-signatures.ts';
import { findingOf } from './failures-as-findings.ts';
import { type NeededPack, pointsInScope } from './points-in-scope.ts';

/** The newest entry of a disk's ledger at some time; kept outside of the vault it proves that nothing was cut off. */
export interface LedgerHead {
  readonly disk: DiskId;
  readonly seq: number;
  readonly sha256: Sha256;
}

export interface AuditFinding {
  readonly key: string;
  readonly what: string;
}

export interface Audit {
  readonly heads: readonly LedgerHead[];
  readonly objects: number;
  readonly findings: readonly AuditFinding[];
  /** The vault's own name; undefined when its document is gone or damaged. */
  readonly vault: string | undefined;
  /** What signatures prove, for each disk that has any; empty when nobody gave a public key. */
  readonly signed: readonly SignedDisk[];
}

/** What an earlier audit saw, kept where the vault cannot reach it. */
export interface Anchor {
  readonly vault?: string | undefined;
  readonly heads: readonly LedgerHead[];
}

const NO_ANCHOR: Anchor = { heads: [] };

export interface AuditPorts {
  readonly store: ObjectStore;
  /** Present where versions may be listed: write-once objects that have more than one are reported. */
  readonly versions?: ObjectVersions;
  /** With any, every ledger has to be signed by one of them up to its head. */
  readonly publicKeys?: readonly KeyObject[];
}

export async function auditVault(ports: AuditPorts, { vault, heads }: Anchor = NO_ANCHOR): Promise<Audit> {
  const audit = new Auditor(ports);
  await audit.vaultDocument(vault);
  // Before the ledgers: a run that commits meanwhile then only makes ledgers longer than the points know.
  await audit.readRestorePoints();
  const disks = await listDisks(ports.store);
  for (const disk of disks) await audit.disk(disk, heads);
  for (const { disk, seq } of heads) {
    if (!disks.includes(disk)) audit.report(vaultKeys.ledgerEntry(disk, seq), 'is gone, with everything of its disk');
  }
  await audit.compareRestorePoints();
  const { objects, findings, signed } = audit;
  return { heads: audit.heads, objects, findings, vault: audit.vault, signed };
}

class Auditor {
  readonly heads: LedgerHead[] = [];
  readonly findings: AuditFinding[] = [];
  readonly signed: SignedDisk[] = [];
  vault: string | undefined;
  objects = 0;
  readonly #store: ObjectStore;
  readonly #versions: ObjectVersions | undefined;
  #restorePoints: readonly NamedPoint[] = [];
  readonly #ledgers = new Map<DiskId, readonly StoredEntry[]>();
  readonly #publicKeys: readonly KeyObject[];
  /** Entries that stand, by disk, until a restore point names them. */
  readonly #unnamed = new Map<DiskId, Set<number>>();

  constructor({ store, versions, publicKeys = [] }: AuditPorts) {
    this.#publicKeys = publicKeys;
    this.#store = store;
    this.#versions = versions;
  }

  report(key: string, what: string): void {
    this.findings.push({ key, what });
  }

  async #look(key: string, look: () => Promise<unknown>): Promise<void> {
    this.objects += 1;
    const what = await findingOf(look);
    if (what !== undefined) this.report(key, what);
  }

  /** A vault's document is written before anything else; its name tells this vault from every other. */
  async vaultDocument(expected: string | undefined): Promise<void> {
    await this.#look(vaultKeys.vault(), async () => {
      this.vault = (await readVault(this.#store)).vault;
    });
    if (expected === undefined || this.vault === undefined || this.vault === expected) return;
    this.report(vaultKeys.vault(), `is of vault ${this.vault}; the anchor knows vault ${expected}`);
  }

  async disk(disk: DiskId, anchor: readonly LedgerHead[]): Promise<void> {
    await this.#look(vaultKeys.ledgerEntries(disk), async () => {
      const entries = await readLedger(this.#store, disk);
      this.#ledgers.set(disk, entries);
      const head = entries.at(-1);
      if (head !== undefined) this.heads.push({ disk, seq: head.entry.seq, sha256: head.sha256 });
    });
    for (const head of anchor) if (head.disk === disk) this.#compare(head, 'the anchor');
    for await (const { key } of this.#store.list(vaultKeys.verifications(disk))) {
      await this.#look(key, async () => {
        const record = parseDocument(verification, await this.#store.get(key), key);
        if (record.disk !== disk || vaultKeys.verification(disk, record) !== key) {
          throw new DamagedObject('is the record of another verification: it was moved');
        }
        this.#compare({ disk, ...record.head }, key);
      });
    }
    await this.#look(vaultKeys.expiries(disk), () => this.#points(disk));
    await this.#signatures(disk);
    await this.#lookAtVersions(disk);
  }

  #compare({ disk, seq, sha256 }: LedgerHead, witness: string): void {
    const stored = this.#ledgers.get(disk)?.[seq - 1];
    if (stored?.sha256 === sha256) return;
    const what = stored === undefined ? `is gone, which ${witness} knows` : `is another entry than ${witness} knows`;
    this.report(vaultKeys.ledgerEntry(disk, seq), `${what}: the ledger was rolled back or replaced`);
  }

  async #points(disk: DiskId): Promise<void> {
    const scope = await pointsInScope(this.#store, disk);
    if (scope === undefined) return;
    this.#unnamed.set(disk, new Set(scope.standing));
    for (const { key, what } of scope.findings) this.report(key, what);
    for (const { seq, manifest } of scope.manifests) {
      const stored = this.#ledgers.get(disk)?.[seq - 1];
      if (stored !== undefined) await this.#look(manifest.key, () => this.#manifest(stored, manifest));
    }
    const indexes = new PackIndexes(this.#store, disk);
    for (const pack of scope.packs) {
      await this.#look(vaultKeys.packIndex(disk, pack.entry), () => indexes.get(pack.entry));
      await this.#look(vaultKeys.pack(disk, pack.entry), () => this.#pack(disk, pack));
    }
  }

  async #manifest({ entry }: StoredEntry, manifest: ManifestReader): Promise<void> {
    const { disk, seq, run, base, sections } = manifest.header;
    const previous = this.#ledgers.get(entry.disk)?.[entry.seq - 2]?.entry;
    const follows = base?.seq === previous?.seq && base?.headerSha256 === previous?.manifest.headerSha256;
    if (disk !== entry.disk || seq !== entry.seq || run !== entry.run || !follows) {
      throw new DamagedObject(`${manifest.key} is not the manifest of entry ${entry.seq} of disk ${entry.disk}`);
    }
    const facts = await this.#store.head(manifest.key);
    if (facts?.bytes !== entry.manifest.bytes) {
      throw new DamagedObject(`${manifest.key} has ${facts?.bytes} bytes where ${entry.manifest.bytes} were written`);
    }
    for (let section = 0; section < sections.length; section++) await manifest.section(section);
  }

  async #pack(disk: DiskId, { entry }: NeededPack): Promise<void> {
    const key = vaultKeys.pack(disk, entry);
    const facts = await this.#store.head(key);
    if (facts?.bytes !== entry.bytes || (facts.crc32 ?? entry.crc32) !== entry.crc32) {
      throw new DamagedObject(`${key} is ${facts === undefined ? 'gone' : 'another object than was written'}`);
    }
  }

  /** Everything below a disk is written once. A second version, or a delete marker, is somebody's doing. */
  async #lookAtVersions(disk: DiskId): Promise<void> {
    if (this.#versions === undefined) return;
    for await (const { key, current, kind } of this.#versions.list(`${vaultKeys.disks()}${disk}/`)) {
      if (kind === 'delete-marker') this.report(key, 'was deleted; an older version is still there');
      else if (!current) this.report(key, 'was overwritten or deleted; this older version is still there');
    }
  }

  async readRestorePoints(): Promise<void> {
    await this.#look(vaultKeys.vms(), async () => {
      this.#restorePoints = await listPoints(this.#store);
    });
  }

  async #signatures(disk: DiskId): Promise<void> {
    const entries = this.#ledgers.get(disk);
    if (entries === undefined || this.#publicKeys.length === 0) return;
    const { signed, objects, findings } = await auditSignatures(this.#store, { disk, entries }, this.#publicKeys);
    this.objects += objects;
    this.findings.push(...findings);
    if (signed !== undefined) this.signed.push(signed);
  }

  async compareRestorePoints(): Promise<void> {
    for (const { name, point } of this.#restorePoints) {
      this.objects += 1;
      const key = vaultKeys.point(point.vm, point);
      if (!key.endsWith(`/${name}.json`)) this.report(key, `holds restore point ${name}: it was moved`);
      for (const { disk, seq } of point.disks) this.#comparePoint(key, { disk, seq, run: point.run });
      await this.#metadata(point);
    }
    for (const [disk, entries] of this.#unnamed) {
      for (const seq of entries) {
        const why = 'is named by no restore point: that was removed, or the run died before it wrote it';
        this.report(vaultKeys.ledgerEntry(disk, seq), why);
      }
    }
  }

  async #metadata({ metadataKey, metadataSha256 }: VmPoint): Promise<void> {
    if (metadataKey === undefined || metadataSha256 === undefined) return;
    await this.#look(metadataKey, async () => {
      if (sha256Of(await this.#store.get(metadataKey)) === metadataSha256) return;
      throw new DamagedObject('has another digest than its restore point says');
    });
  }

  #comparePoint(key: string, { disk, seq, run }: { disk: DiskId; seq: number; run: string }): void {
    const stored = this.#ledgers.get(disk)?.[seq - 1];
    const what = stored === undefined ? 'is gone' : 'is of another run';
    if (stored?.entry.run !== run) this.report(key, `names entry ${seq} of disk ${disk}, which ${what}`);
    else if (this.#unnamed.get(disk)?.delete(seq) === false) {
      this.report(
        vaultKeys.expiry(disk, seq),
        `lets go an entry that restore point ${key} names: somebody added it, or a prune was interrupted`,
      );
    }
  }
}
