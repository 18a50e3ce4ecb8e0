/** One increment of a disk through the whole reader, from nbdkit to the sink. */

import { encodeShards } from '#lib/backup/shards.ts';
import type { GrainBitmap } from '#lib/format/grain-bitmap.ts';
import type { Bytes } from '#lib/units.ts';
import type { ShardsReport } from '../clients/read-shards.ts';
import { runClient } from '../clients/run-client.ts';
import { startSource } from '../stage/nbd-source.ts';
import { planReaderJob } from '../stage/reader-job.ts';
import { BUCKET, startSink, storeOf } from '../stage/sink.ts';
import type { Stage } from '../stage/stage.ts';

const READERS = 4;

export interface Increment extends ShardsReport {
  readonly shards: number;
  /** shards.jsonl and the receipts: what the workflow's steps hand on. */
  readonly payloadBytes: Bytes;
}

export async function readIncrement(
  stage: Stage,
  { diskBytes, changed }: { diskBytes: Bytes; changed: GrainBitmap },
): Promise<Increment> {
  await using source = await startSource(stage, ['pattern', `${diskBytes}`]);
  await using sink = await startSink(stage);
  using store = storeOf(stage, sink);
  const disk = { address: source.address, diskBytes, planned: changed, readers: READERS };
  const shards = await planReaderJob(store, disk);
  const input = { endpoint: sink.endpoint, bucket: BUCKET, shards };
  const read = (await runClient(stage, 'clients/read-shards.ts', { input, env: sink.env })) as unknown as ShardsReport;
  return { ...read, shards: shards.length, payloadBytes: encodeShards(shards).length + read.receiptBytes };
}
