/** The verification ladder above the commit: three levels, each leaving a dated record of what it looked at. */

import { encodeDocument, HEAD } from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { Damage, Finding, Verification } from '#lib/format/verification.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { type Bytes, type DiskId, grainsCovering, indexAfter, type PackId } from '#lib/units.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { findingOf } from './failures-as-findings.ts';
import { type NeededPack, pointsInScope, type Scope } from './points-in-scope.ts';
import { readWholePack } from './read-whole-pack.ts';

export type Level =
  | { readonly level: 1 }
  | { readonly level: 2; readonly share: Share }
  | { readonly level: 3; readonly seq: number | 'newest' };

export interface Share {
  readonly part: number;
  readonly of: number;
}

const DAY_MS = 86_400_000;

/** Today's share of `of`: after so many days in a row every pack was read once, whichever packs came and went. */
export function shareOfDay(now: Date, of: number): Share {
  return { part: Math.floor(now.getTime() / DAY_MS) % of, of };
}

interface Looked {
  readonly findings: readonly Finding[];
  readonly points: readonly number[];
  readonly packs: number;
  readonly readBytes: Bytes;
  /** Packs that the next run has to write anew, with the reason. */
  readonly damaged: readonly { readonly pack: NeededPack; readonly what: string }[];
}

/** Verifies one disk and stores the record; undefined for a disk without points. */
export async function verifyDisk(
  store: ObjectStore,
  disk: DiskId,
  { now, ...level }: Level & { readonly now: Date },
): Promise<Verification | undefined> {
  const scope = await pointsInScope(store, disk);
  if (scope === undefined) return undefined;
  const looked = await look(store, scope, level);
  const record: Verification = {
    ...HEAD,
    requires: [],
    disk,
    level: level.level,
    time: now,
    head: { seq: scope.head.entry.seq, sha256: scope.head.sha256 },
    scope: {
      points: [...looked.points],
      packs: looked.packs,
      readBytes: looked.readBytes,
      ...(level.level === 2 ? { share: level.share } : {}),
    },
    findings: [...scope.findings, ...looked.findings],
  };
  for (const { pack, what } of looked.damaged) await recordDamage(store, { disk, pack, now, what });
  await store.put(vaultKeys.verification(disk, record), encodeDocument(record));
  return record;
}

function look(store: ObjectStore, scope: Scope, level: Level): Promise<Looked> {
  switch (level.level) {
    case 1:
      return lookAtListing(store, scope);
    case 2:
      return lookIntoPacks(store, scope, level.share);
    case 3:
      return lookAsRestore(store, scope, level.seq);
  }
}

/** Every pack and index that a point needs is listed with its size; the sections of the newest map have their digests. */
async function lookAtListing(store: ObjectStore, { disk, manifests, packs }: Scope): Promise<Looked> {
  const sizes = new Map<string, Bytes>();
  for (const prefix of [vaultKeys.packs(disk), vaultKeys.indexes(disk), vaultKeys.manifests(disk)]) {
    for await (const { key, bytes } of store.list(prefix)) sizes.set(key, bytes);
  }
  const damaged: { pack: NeededPack; what: string }[] = [];
  const findings: Finding[] = [];
  for (const pack of packs) {
    const { entry, points } = pack;
    for (const [key, bytes] of [
      [vaultKeys.pack(disk, entry), entry.bytes],
      [vaultKeys.packIndex(disk, entry), entry.indexBytes],
    ] as const) {
      if (sizes.get(key) === bytes) continue;
      const what = sizes.has(key) ? `has ${sizes.get(key)} bytes where ${bytes} were written` : 'is gone';
      findings.push({ key, what, points: [...points] });
      damaged.push({ pack, what: `${key} ${what}` });
    }
  }
  const newest = manifests.at(-1);
  for (let section = 0; section < (newest?.manifest.header.sections.length ?? 0); section++) {
    const what = await findingOf(async () => newest?.manifest.section(section));
    if (what !== undefined && newest !== undefined)
      findings.push({ key: newest.manifest.key, what, points: [newest.seq] });
  }
  return { findings, damaged, points: manifests.map(({ seq }) => seq), packs: packs.length, readBytes: 0 };
}

/** Decompresses every frame of this share's packs and compares every grain with its digest. */
async function lookIntoPacks(store: ObjectStore, { disk, packs }: Scope, share: Share): Promise<Looked> {
  const mine = packs.filter(({ entry }) => inShare(entry.pack, share));
  const findings: Finding[] = [];
  const damaged: { pack: NeededPack; what: string }[] = [];
  let readBytes: Bytes = 0;
  for (const pack of mine) {
    const what = await findingOf(() => readWholePack(store, disk, pack.entry));
    readBytes += pack.entry.bytes;
    if (what === undefined) continue;
    findings.push({ key: vaultKeys.pack(disk, pack.entry), what, points: [...pack.points] });
    damaged.push({ pack, what });
  }
  const points = [...new Set(mine.flatMap(({ points: needing }) => needing))].sort((a, b) => a - b);
  return { findings, damaged, points, packs: mine.length, readBytes };
}

/** Pack ids are random, so their beginnings spread them evenly over the shares. */
function inShare(pack: PackId, { part, of }: Share): boolean {
  return Number.parseInt(pack.slice(0, 8), 16) % of === part;
}

const REBUILT = 'is gone or damaged; it was rebuilt from its pack, and nothing of the point is missing';

/** Reads a point from beginning to end through the same code as a restore, past whatever is damaged. */
async function lookAsRestore(store: ObjectStore, scope: Scope, wanted: number | 'newest'): Promise<Looked> {
  const seq = wanted === 'newest' ? scope.head.entry.seq : wanted;
  let readBytes: Bytes = 0;
  let rebuilt: ReadonlySet<string> = new Set();
  /** What ails each damaged pack; undefined stands for the map. */
  const ailments = new Map<PackId | undefined, string>();
  const what = await findingOf(async () => {
    const content = await DiskContent.open(store, { disk: scope.disk, seq });
    rebuilt = content.rebuiltIndexes;
    for await (const read of content.reads({ first: 0, end: indexAfter(grainsCovering(content.diskBytes)) })) {
      await content.deliver(read, {
        write: (_, bytes) => {
          readBytes += bytes.length;
        },
        damaged: (_, { message }) => {
          ailments.set(read.entry?.pack, ailments.get(read.entry?.pack) ?? message);
        },
      });
    }
  });
  if (what !== undefined) ailments.set(undefined, what);
  const needed = scope.packs.filter(({ points }) => points.includes(seq));
  const damaged = needed.flatMap((pack) => {
    const ailment = ailments.get(pack.entry.pack);
    return ailment === undefined ? [] : [{ pack, what: ailment }];
  });
  const findings: Finding[] = damaged.map(({ pack, what: ailment }) => ({
    key: vaultKeys.pack(scope.disk, pack.entry),
    what: ailment,
    points: [...pack.points],
  }));
  const ofMap = ailments.get(undefined);
  if (ofMap !== undefined) findings.push({ key: vaultKeys.ledgerEntry(scope.disk, seq), what: ofMap, points: [seq] });
  for (const index of rebuilt) findings.push({ key: index, what: REBUILT, points: [seq] });
  return { findings, damaged, points: [seq], packs: needed.length, readBytes };
}

async function recordDamage(
  store: ObjectStore,
  { disk, pack, now, what }: { disk: DiskId; pack: NeededPack; now: Date; what: string },
): Promise<void> {
  const { run, pack: id } = pack.entry;
  const document: Damage = { ...HEAD, requires: [], disk, run, pack: id, time: now, what };
  await store.putIfAbsent(vaultKeys.damage(disk, id), encodeDocument(document));
}
