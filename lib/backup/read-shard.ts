/** The use case of the state read-shard: one shard from the host's NBD server into packs and receipts. */

import type { Clock } from '#lib/clock.ts';
import { encodeDocument, HEAD } from '#lib/format/document.ts';
import type { FrameCompressor } from '#lib/format/frame-encoder.ts';
import { GrainBitmap } from '#lib/format/grain-bitmap.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { DiskPlan, RunPlan, Shard } from '#lib/format/plan.ts';
import { bitsRange } from '#lib/format/planned-grains.ts';
import type { HostCheck, Receipt } from '#lib/format/receipt.ts';
import type { RequestCounts } from '#lib/format/request-counts.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { type GrainIndex, grainsCovering, parseDiskId, parsePackId, parseRunId, type RunId } from '#lib/units.ts';
import { readPlan, readReceipt, readShardReceipts } from '#lib/vault/run-documents.ts';
import { BaseContent } from './base-content.ts';
import type { BlockSource } from './block-source.ts';
import { type NbdExport, readConnection } from './connection-document.ts';
import { type CopiedPart, copyPart } from './copy-part.ts';
import { ConnectionGone, SnapshotSizeChanged } from './failures.ts';
import { openExport } from './open-export.ts';
import { encodeWithRequests } from './own-request.ts';
import { PackWriter, partBytesFor } from './pack-writer.ts';
import { lockAtFirst, lockRuleOf } from './run-lock.ts';

/** Enough to upload what is buffered, write index and receipt, and disconnect before the function is killed. */
const CLOSING_TIME_MS = 75_000;

export interface ShardPorts {
  readonly store: ObjectStore;
  readonly connect: (address: NbdExport, options: { signal: AbortSignal }) => Promise<BlockSource>;
  readonly clock: Clock;
  /** Draws names of packs; a retry must not get the name of the attempt before. */
  readonly random: (bytes: number) => Buffer;
  /** When the function will be killed. */
  readonly deadline: Date;
  readonly signal: AbortSignal;
  /** As in the settings of PackWriter. */
  readonly newCompressor?: () => FrameCompressor;
}

export interface ShardProgress extends Shard {
  readonly done: boolean;
  readonly parts: number;
}

/**
 * Goes on where the shard's receipts end, so that a second attempt repeats no finished part. A part exists only by its
 * receipt, which is written last: after pack and index are complete. Of two attempts at the same part the first receipt
 * wins; the other's pack is an orphan for the collector.
 */
export async function readShard(ports: ShardPorts, shard: Shard): Promise<ShardProgress> {
  const run = parseRunId(shard.runId);
  const before = ports.store.tally?.counts;
  const disk = parseDiskId(shard.disk);
  const receipts = await readShardReceipts(ports.store, run, shard.shard);
  const first = receipts.at(-1)?.endGrain ?? shard.firstGrain;
  if (first >= shard.endGrain) return { ...shard, done: true, parts: receipts.length };
  const plan = await readPlan(ports.store, run);
  const diskPlan = plan.disks.find((candidate) => candidate.disk === disk);
  const connection = await readConnection(ports.store, run);
  if (diskPlan === undefined || connection === undefined) {
    throw new ConnectionGone(
      `run ${run} has no connection for disk ${disk}: it was released already, or the shard is not of its plan`,
    );
  }
  const source = await openExport(connection, disk, ports);
  let end: GrainIndex;
  try {
    end = await readPart({ ports, before, plan, diskPlan, shard, run }, source, { first, part: receipts.length });
  } finally {
    await source.close();
  }
  return { ...shard, done: end >= shard.endGrain, parts: receipts.length + 1 };
}

interface PartContext {
  readonly ports: ShardPorts;
  /** Requests before this call: a warm function's connection has counted those of earlier calls. */
  readonly before: RequestCounts | undefined;
  readonly plan: RunPlan;
  readonly diskPlan: DiskPlan;
  readonly shard: Shard;
  readonly run: RunId;
}

async function readPart(
  { ports, before, plan, diskPlan, shard, run }: PartContext,
  source: BlockSource,
  { first, part }: { first: GrainIndex; part: number },
): Promise<GrainIndex> {
  const { disk, diskBytes } = diskPlan;
  if (source.exportBytes !== diskBytes) {
    throw new SnapshotSizeChanged(
      `the host exports ${source.exportBytes} bytes of snapshot ${diskPlan.snapshot}, the plan says ${diskBytes}`,
    );
  }
  const started = ports.clock.now();
  const pack = parsePackId(ports.random(16).toString('hex'));
  const locked = lockAtFirst(lockRuleOf(plan), started);
  const planned = await plannedGrains(ports.store, { run, diskPlan, shard, first });
  const partBytes = partBytesFor(planned.count());
  const { storageClass } = plan;
  const { store, newCompressor } = ports;
  const writer = new PackWriter({ store, disk, run, pack, storageClass, partBytes, newCompressor, ...locked });
  try {
    const copied = await copyPart({
      source,
      diskBytes,
      planned,
      first,
      base: await openBase(ports.store, diskPlan),
      writer,
      outOfTime: () => ports.clock.now().getTime() >= ports.deadline.getTime() - CLOSING_TIME_MS,
    });
    const stored = await writer.finish();
    const durationMs = ports.clock.now().getTime() - started.getTime();
    const { hostCheck } = source;
    const document = receiptOf({ run, diskPlan, shard, first, part, copied, stored, durationMs, hostCheck });
    const { measured } = document;
    const encoded = encodeWithRequests(ports.store.tally, before, (requests) =>
      encodeDocument({ ...document, measured: { ...measured, ...(requests && { requests }) } }),
    );
    const key = vaultKeys.receipt(run, { shard: shard.shard, part });
    if ((await ports.store.putIfAbsent(key, encoded)) === 'created') return copied.end;
    // The other attempt may have stopped earlier than this one: the shard goes on where the receipt that counts ends.
    return (await readReceipt(ports.store, run, { shard: shard.shard, part })).endGrain;
  } catch (cause) {
    await writer.abort();
    throw cause;
  }
}

/** The shard's planned grains from `first` on; it is at a whole byte of the run's bitmap because shards are aligned. */
async function plannedGrains(
  store: ObjectStore,
  { run, diskPlan, shard, first }: { run: RunId; diskPlan: DiskPlan; shard: Shard; first: GrainIndex },
): Promise<GrainBitmap> {
  const grains = grainsCovering(diskPlan.diskBytes);
  const range = bitsRange(shard.pass ?? 'changed', { first, end: shard.endGrain }, grains);
  return new GrainBitmap(shard.endGrain - first, await store.get(vaultKeys.bitmap(run, diskPlan.disk), { range }));
}

async function openBase(store: ObjectStore, { base, rewrites = [] }: DiskPlan): Promise<BaseContent | undefined> {
  return base === undefined ? undefined : BaseContent.open(store, base.manifest, new Set(rewrites));
}

function receiptOf(facts: {
  run: RunId;
  diskPlan: DiskPlan;
  shard: Shard;
  first: GrainIndex;
  part: number;
  copied: CopiedPart;
  stored: Receipt['pack'];
  durationMs: number;
  hostCheck: HostCheck | undefined;
}): Receipt {
  const { copied, stored, hostCheck, durationMs } = facts;
  return {
    ...HEAD,
    requires: [],
    run: facts.run,
    disk: facts.diskPlan.disk,
    ...(facts.shard.pass === undefined ? {} : { pass: facts.shard.pass }),
    shard: facts.shard.shard,
    part: facts.part,
    firstGrain: facts.first,
    endGrain: copied.end,
    ...copied.counts,
    outcomes: copied.outcomes,
    ...(stored === undefined ? {} : { pack: stored }),
    measured: {
      nbdBytes: copied.nbdBytes,
      nbdRequests: copied.nbdRequests,
      durationMs,
      ...(hostCheck === undefined ? {} : { hostCheck }),
    },
  };
}
