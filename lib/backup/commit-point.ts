/** The use case of the state commit-point: receipts -> coverage check -> manifests -> ledger entries -> VM point. */

import type { Clock } from '#lib/clock.ts';
import { HEAD } from '#lib/format/document.ts';
import { DamagedObject } from '#lib/format/failures.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { LedgerEntry, ManifestAddress } from '#lib/format/ledger.ts';
import { encodeManifest, sha256Of } from '#lib/format/manifest.ts';
import type { DiskPlan, RunPlan } from '#lib/format/plan.ts';
import type { Receipt } from '#lib/format/receipt.ts';
import type { Signer } from '#lib/signing/signer.ts';
import type { ObjectStore, PutOptions } from '#lib/store/object-store.ts';
import type { Bytes, RunId } from '#lib/units.ts';
import { appendEntry } from '#lib/vault/ledger.ts';
import { ManifestReader } from '#lib/vault/manifest-reader.ts';
import { readPlan, readPlannedGrains, readReceipts } from '#lib/vault/run-documents.ts';
import { RUN_LIMIT_MS } from '#lib/vault/time-limits.ts';
import { checkBasePacks, checkCoverage, checkPacks } from './coverage.ts';
import { lockPacks, lockPoints } from './extend-locks.ts';
import { RunExpired } from './failures.ts';
import { type BuiltManifest, buildManifest } from './manifest-builder.ts';
import { lockAtFirst, lockOfEntry, lockRuleOf } from './run-lock.ts';
import { signHead } from './sign-head.ts';
import { type AskedFor, writePoint } from './vm-point.ts';

export interface CommitPorts {
  readonly store: ObjectStore;
  readonly clock: Clock;
  /** Signs the ledgers' heads, where the installation wants that. */
  readonly signer?: Signer;
  readonly signal?: AbortSignal;
  /** Told when the point is there: what was used until then is in the point, if this call wrote it. */
  readonly onPoint?: (written: 'created' | 'exists') => void;
}

export interface CommitResult {
  readonly runId: RunId;
  readonly outcome: 'committed' | 'already-committed' | 'lost-race';
  /** Key of the VM point; empty when the race was lost. */
  readonly point: string;
  readonly storedBytes: Bytes;
}

/**
 * Order of effects, each durable before the next begins: locks of packs, manifests of all disks, ledger entries of all
 * disks, VM point, signatures, locks of older points that are certain to stay longer than was known.
 * A crash in between leaves objects that no ledger names, or a disk point that the next try completes: every step
 * writes the same bytes again or finds them there.
 */
export async function commitPoint(ports: CommitPorts, run: RunId, asked: AskedFor = {}): Promise<CommitResult> {
  const { store, clock } = ports;
  const before = store.tally?.counts;
  const plan = await readPlan(store, run);
  const began = clock.now();
  if (began.getTime() - plan.started.getTime() > RUN_LIMIT_MS) {
    throw new RunExpired(
      `run ${run} began at ${plan.started.toISOString()}, too long ago to commit it; start a new run`,
    );
  }
  const receipts = await readReceipts(store, run);
  const storedBytes = receipts.reduce((sum, { pack }) => sum + (pack?.bytes ?? 0), 0);
  const rule = lockRuleOf(plan);
  const locked = lockAtFirst(rule, clock.now());
  const entries: LedgerEntry[] = [];
  for (const disk of plan.disks) {
    const own = receipts.filter((receipt) => receipt.disk === disk.disk);
    entries.push(await writeManifest({ ...ports, locked }, plan, { disk, receipts: own }));
  }
  const outcomes: CommitResult['outcome'][] = [];
  for (const entry of entries) {
    const outcome = await appendEntry(store, entry, lockOfEntry(rule, entry.time));
    if (outcome === 'lost-race') return { runId: run, outcome, point: '', storedBytes };
    outcomes.push(outcome);
  }
  const manifestBytes = entries.reduce((sum, { manifest }) => sum + manifest.bytes, 0);
  const point = await writePoint(ports, { plan, receipts, asked, before, locked, began, manifestBytes });
  ports.onPoint?.(point.written);
  for (const entry of entries) await signHead(ports, entry, lockOfEntry(rule, entry.time));
  if (rule !== undefined) await lockPoints(ports, { vm: plan.vm, policy: asked.policy }, rule);
  const outcome = outcomes.includes('committed') ? 'committed' : 'already-committed';
  return { runId: run, outcome, point: point.key, storedBytes };
}

async function writeManifest(
  { locked, ...ports }: CommitPorts & { readonly locked: PutOptions },
  plan: RunPlan,
  { disk, receipts }: { disk: DiskPlan; receipts: readonly Receipt[] },
): Promise<LedgerEntry> {
  const { store } = ports;
  const planned = await readPlannedGrains(store, plan.run, disk);
  checkCoverage(disk, planned, receipts);
  await checkPacks(store, planned, receipts);
  const base = disk.base === undefined ? undefined : await ManifestReader.open(store, disk.base.manifest);
  const built = await buildManifest({ plan, disk, planned, receipts, base });
  await checkBasePacks(store, built.header);
  // Packs of this run were locked after it began; of the base's only those are touched whose locks end too early.
  const { lock } = lockAtFirst(lockRuleOf(plan), plan.started);
  if (lock !== undefined) await lockPacks(ports, built.header, lock);
  return {
    ...HEAD,
    requires: [],
    disk: disk.disk,
    seq: built.header.seq,
    run: plan.run,
    time: disk.snapshotTime,
    manifest: await storeManifest(store, built, locked),
    ...(disk.base === undefined ? {} : { previousSha256: disk.base.entrySha256 }),
  };
}

/** Names carry the run, so only a retry of this very run finds the key taken: with the same bytes, or something lies. */
async function storeManifest(
  store: ObjectStore,
  { header, sections }: BuiltManifest,
  locked: PutOptions,
): Promise<ManifestAddress> {
  const key = vaultKeys.manifest(header.disk, header);
  const [preamble = Buffer.alloc(0), storedHeader = Buffer.alloc(0), ...body] = encodeManifest(header, sections);
  const start = Buffer.concat([preamble, storedHeader]);
  const bytes = Buffer.concat([start, ...body]);
  const address = { key, bytes: bytes.length, headerSha256: sha256Of(start) };
  if ((await store.putIfAbsent(key, bytes, { ...locked, encryption: 'store-key' })) === 'exists') {
    const stored = await ManifestReader.open(store, address);
    if (stored.header.run !== header.run) throw new DamagedObject(`${key} is the manifest of run ${stored.header.run}`);
  }
  return address;
}
