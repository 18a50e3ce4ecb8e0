/** The invariants that the model looks at, and what it takes to see that one of them does not hold. */

import { vaultKeys } from '#lib/format/keys.ts';
import type { LedgerEntry } from '#lib/format/ledger.ts';
import { NO_PACK } from '#lib/format/section.ts';
import { GRAIN_BYTES, grainsCovering, indexAfter, type PackId } from '#lib/units.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import type { StoredEntry } from '#lib/vault/ledger.ts';
import { readHeaders, readHistory, standingEntries } from '#lib/vault/live-objects.ts';
import { ManifestReader } from '#lib/vault/manifest-reader.ts';
import { RUN_LIMIT_MS } from '#lib/vault/time-limits.ts';
import { SLEEP_LIMIT_MS } from './attempts.ts';
import { DAY_MS, DISK, grainBytes, type World } from './world.ts';

/** Two clocks, each a day off, in opposite directions. */
const SKEW_MS = 2 * DAY_MS;

/** Numbers and names of the list in the format's reference. */
export const INVARIANTS = {
  0: 'no step fails in a way that is not foreseen',
  1: 'restore identity',
  2: 'independence',
  3: 'atomic visibility',
  4: 'single winner',
  5: 'base fence',
  6: 'coverage',
  7: 'no orphan reference',
  8: 'idempotence',
  9: 'crash closure',
  10: 'collector safety',
  11: 'collector liveness',
  12: 'head protection',
  14: 'nonce uniqueness, of names: no attempt writes where another one wrote',
  16: 'exact delta',
  17: 'no-change run',
  18: 'CBT-lost run',
  19: 'zero',
  20: 'resize',
  23: 'compaction transparency',
  24: 'cold packs stay cold',
  29: 'clock',
  30: 'cost guard',
} as const;

export type Invariant = keyof typeof INVARIANTS;

export class Violation extends Error {
  override readonly name = 'Violation';
  readonly invariant: Invariant;

  constructor(what: string, { invariant, cause }: { invariant: Invariant; cause?: unknown }) {
    super(`invariant ${invariant}, ${INVARIANTS[invariant]}: ${what}`, { cause });
    this.invariant = invariant;
  }
}

/** Counts how often each invariant was put to the test; one that never is proves nothing. */
export class Ledgerkeeper {
  readonly world: World;
  readonly checks = new Map<Invariant, number>();
  readonly #seen = new Map<string, Buffer>();
  /** Requests for packs that restores made; everybody else's are violations. */
  #restoring = false;

  constructor(world: World) {
    this.world = world;
  }

  demand(invariant: Invariant, holds: boolean, what: () => string): void {
    this.checks.set(invariant, (this.checks.get(invariant) ?? 0) + 1);
    if (!holds) throw new Violation(what(), { invariant });
  }

  /** Looks at the ledger's objects after every step; returns entries that are new. */
  async afterStep(): Promise<number[]> {
    const { objects, requests } = this.world.bucket;
    const packReads = requests.filter(({ operation, key }) => operation === 'get' && key.endsWith('.zst'));
    this.demand(24, packReads.length === 0 || this.#restoring, () => `GET of ${packReads[0]?.key}`);
    this.demand(30, requests.length < 5000, () => `${requests.length} requests in one step`);
    requests.length = 0;
    const keys = objects.keys(vaultKeys.ledgerEntries(DISK));
    const added: number[] = [];
    for (const [i, key] of keys.entries()) {
      this.demand(4, key === vaultKeys.ledgerEntry(DISK, i + 1), () => `${key} is entry ${i + 1}`);
      const before = this.#seen.get(key);
      const body = objects.current(key)?.body ?? Buffer.alloc(0);
      if (before === undefined) added.push(i + 1);
      else this.demand(4, before.equals(body), () => `${key} was overwritten`);
      this.#seen.set(key, body);
      this.demand(12, objects.versions(key).length === 1, () => `${key} has ${objects.versions(key).length} versions`);
    }
    this.demand(12, keys.length === this.#seen.size, () => 'a ledger entry was deleted');
    const head = vaultKeys.expiry(DISK, keys.length);
    this.demand(12, objects.current(head) === undefined, () => `the newest point, ${keys.length}, was let go`);
    return added;
  }

  /** What the receipts of a run name stays for as long as the run may still commit. */
  onRemoval(key: string): void {
    const [, , part, id, file = ''] = key.split('/');
    const run = this.world.runs.find((candidate) => candidate.run === id);
    if ((part !== 'packs' && part !== 'indexes') || run === undefined) return;
    const { objects } = this.world.bucket;
    const receipts = objects.keys(vaultKeys.receipts(run.run)).map((receipt) => objects.current(receipt)?.body);
    const named = receipts.some((body) => body?.includes(file.replace(/\..*/, '')));
    const ageMs = this.world.nowMs - run.startedMs;
    this.demand(10, !named || ageMs > RUN_LIMIT_MS + SKEW_MS, () => `${key} is taken from a run that goes on`);
  }

  /** What has to be true of an entry in the moment in which it appears. */
  async onNewEntry(seq: number): Promise<void> {
    const store = this.world.bucket.store();
    const { entries } = await readHistory(store, DISK);
    const stored = entries[seq - 1];
    if (stored === undefined) throw new Violation(`entry ${seq} is gone again`, { invariant: 4 });
    const run = this.world.runOf(stored.entry.run);
    this.demand(5, run.baseSeq === seq - 1, () => `entry ${seq} was built on ${run.baseSeq}`);
    // Steps that wake while days pass commit in the middle of them: the time is the entry's own.
    const committed = this.world.bucket.objects.current(vaultKeys.ledgerEntry(DISK, seq))?.lastModified;
    const ageMs = (committed?.getTime() ?? this.world.nowMs) - run.startedMs;
    this.demand(10, ageMs < RUN_LIMIT_MS + SKEW_MS + SLEEP_LIMIT_MS, () => `entry ${seq} comes after the run's time`);
    await this.restores(stored, 3);
    const receipts = this.world.bucket.objects
      .keys(vaultKeys.receipts(run.run))
      .map((key) => JSON.parse(this.world.bucket.objects.current(key)?.body.toString() ?? '{}'));
    const total = (field: string) => receipts.reduce((sum, receipt) => sum + receipt[field], 0);
    const accounted = total('data') + total('zero') + total('unchanged');
    this.demand(6, accounted === run.planned.length, () => `${accounted} of ${run.planned.length} grains of ${seq}`);
    const nonZero = run.planned.filter((grain) => run.content.grains[grain] !== 0);
    const zeros = run.planned.length - nonZero.length;
    this.demand(19, total('zero') === zeros, () => `${total('zero')} zeros of ${zeros} in entry ${seq}`);
    this.demand(16, total('data') <= nonZero.length, () => `entry ${seq} stores more than changed`);
    const bound = run.planned.length * Math.max(1, run.attempts);
    this.demand(16, run.grainsRead <= bound, () => `${run.grainsRead} grains read for ${run.planned.length} planned`);
    await this.#compareWithBase(stored, total('data'));
  }

  /** Of what the base holds already nothing is stored again, whether the run was asked for it or for everything. */
  async #compareWithBase({ entry }: StoredEntry, stored: number): Promise<void> {
    const run = this.world.runOf(entry.run);
    const base = this.world.runs.find(({ run: id }) => id === this.#runOfSeq(entry.seq - 1));
    if (base === undefined) return;
    const anew = await this.#grainsIn(run.rewritten, entry.seq - 1);
    const differing = run.planned.filter((grain) => {
      const value = run.content.grains[grain];
      const differs = !grainBytes(run.content, grain).equals(grainBytesOrNone(base.content, grain));
      return value !== 0 && (differs || anew.has(grain));
    });
    const invariant = run.kind === 'full' ? 18 : 17;
    this.demand(invariant, stored === differing.length, () => `${stored} grains stored, ${differing.length} differ`);
    if (run.rewritten.size > 0) await this.#isFree(run.rewritten, entry);
    if (base.content.bytes !== run.content.bytes) this.demand(20, true, () => '');
  }

  /** Grains that a point has in certain packs. */
  async #grainsIn(packs: ReadonlySet<PackId>, seq: number): Promise<Set<number>> {
    const found = new Set<number>();
    if (packs.size === 0) return found;
    const { entries } = await readHistory(this.world.bucket.store(), DISK);
    const address = entries[seq - 1]?.entry.manifest;
    if (address === undefined) return found;
    const manifest = await ManifestReader.open(this.world.bucket.store(), address);
    const map = await manifest.section(0);
    for (const [grain, no] of map.packs.entries()) {
      if (no !== NO_PACK && packs.has(manifest.pack(no).pack)) found.add(grain);
    }
    return found;
  }

  /** That the grains are right where they went is what the restore of the new point shows. */
  async #isFree(packs: ReadonlySet<PackId>, { seq, manifest }: LedgerEntry): Promise<void> {
    const { header } = await ManifestReader.open(this.world.bucket.store(), manifest);
    const kept = header.packs.filter(({ pack }) => packs.has(pack));
    this.demand(23, kept.length === 0, () => `pack ${kept[0]?.pack}, which was rewritten, is in the map of ${seq}`);
  }

  #runOfSeq(seq: number): string {
    const body = this.#seen.get(vaultKeys.ledgerEntry(DISK, seq));
    return body === undefined ? '' : JSON.parse(body.toString()).run;
  }

  /** Restores every standing point and looks for everything that any of them names. */
  async checkAll(invariant: Invariant): Promise<void> {
    const store = this.world.bucket.store();
    const history = await readHistory(store, DISK);
    // Somebody whose clock is ahead may hold that the grace of a point is over already.
    const standing = standingEntries(history, new Date(this.world.nowMs + DAY_MS));
    for (const stored of standing) await this.restores(stored, invariant);
    const { objects } = this.world.bucket;
    for (const key of [...objects.keys(vaultKeys.packs(DISK)), ...objects.keys(vaultKeys.indexes(DISK))]) {
      this.demand(14, objects.versions(key).length === 1, () => `${key} was written twice`);
    }
    for (const key of objects.keys('runs/').filter((written) => written.includes('/receipts/'))) {
      this.demand(8, objects.versions(key).length === 1, () => `${key} was overwritten`);
    }
    for (const { packs } of await readHeaders(store, standing)) {
      for (const pack of packs) {
        const found = objects.current(vaultKeys.pack(DISK, pack));
        const same = found?.body.length === pack.bytes && found.crc32 === pack.crc32;
        this.demand(7, same, () => `pack ${pack.pack} is gone or another`);
      }
    }
  }

  async restores({ entry }: StoredEntry, invariant: Invariant): Promise<void> {
    const { content } = this.world.runOf(entry.run);
    const missing = new Map<number, Buffer>();
    for (let grain = 0; grain < content.grains.length; grain++) {
      if (content.grains[grain] !== 0) missing.set(grain, grainBytes(content, grain));
    }
    this.#restoring = true;
    try {
      const disk = await DiskContent.open(this.world.bucket.store(), { disk: DISK, seq: entry.seq });
      this.demand(invariant, disk.diskBytes === content.bytes, () => `point ${entry.seq} has ${disk.diskBytes} bytes`);
      await disk.read({ first: 0, end: indexAfter(grainsCovering(disk.diskBytes)) }, (offset, bytes) => {
        for (let done = 0; done < bytes.length; done += GRAIN_BYTES) {
          const grain = (offset + done) / GRAIN_BYTES;
          const right = missing.get(grain)?.equals(bytes.subarray(done, done + GRAIN_BYTES)) === true;
          this.demand(invariant, right, () => `grain ${grain} of point ${entry.seq} is wrong`);
          missing.delete(grain);
        }
      });
    } catch (cause) {
      if (cause instanceof Violation) throw cause;
      throw new Violation(`point ${entry.seq} cannot be restored: ${String(cause)}`, { invariant, cause });
    } finally {
      this.#restoring = false;
      this.world.bucket.requests.length = 0;
    }
    this.demand(invariant, missing.size === 0, () => `${missing.size} grains of point ${entry.seq} read as zeros`);
  }
}

function grainBytesOrNone(content: Parameters<typeof grainBytes>[0], grain: number): Buffer {
  return grain < content.grains.length ? grainBytes(content, grain) : Buffer.alloc(0);
}
