/** The fan-out of a run: every line of shards.jsonl goes to a reader of its own, so many at a time as the run may have. */

import type { IBucket } from 'aws-cdk-lib/aws-s3';
import {
  Choice,
  Condition,
  DistributedMap,
  Fail,
  OutputType,
  ResultWriterV2,
  S3JsonLItemReader,
  StateMachineType,
  Succeed,
  Transformation,
  WriterConfig,
} from 'aws-cdk-lib/aws-stepfunctions';
import type { LambdaInvoke } from 'aws-cdk-lib/aws-stepfunctions-tasks';
import type { Construct } from 'constructs';
import { field, jsonata } from '#lib/workflow/contract.ts';
import { ShardTooSlow } from '#lib/workflow/failures.ts';
import { MAX_SHARD_PARTS, readShard } from '#lib/workflow/read-shard.ts';
import { splitExtents } from '#lib/workflow/split-extents.ts';

export interface ShardMapProps {
  readonly bucket: IBucket;
  readonly reader: LambdaInvoke;
}

/**
 * ```
 *   read-shard --> shard-done? --yes--> shard-read
 *     ^                | no
 *     +--parts left----+----none left--> shard-too-slow
 * ```
 * Its input and its output are the answer of split-extents. Children are Standard workflows: an Express one must end
 * after five minutes, a reader may take fifteen.
 */
export function shardMap(scope: Construct, { bucket, reader }: ShardMapProps): DistributedMap {
  const tooSlow = Fail.jsonata(scope, 'shard-too-slow', {
    error: ShardTooSlow.failureName,
    cause: `The shard was not done after ${MAX_SHARD_PARTS} calls; look at the link between the readers and the host`,
  });
  const done = Choice.jsonata(scope, 'shard-done')
    .when(Condition.jsonata(jsonata(field(readShard.output, 'done'))), Succeed.jsonata(scope, 'shard-read'))
    .when(Condition.jsonata(jsonata(`${field(readShard.output, 'parts')} < ${MAX_SHARD_PARTS}`)), reader)
    .otherwise(tooSlow);
  return DistributedMap.jsonata(scope, 'read-shards', {
    label: 'readers',
    mapExecutionType: StateMachineType.STANDARD,
    jsonataMaxConcurrency: jsonata(field(splitExtents.output, 'readers')),
    // One lost shard means that there is no restore point, so the others need not go on.
    toleratedFailurePercentage: 0,
    itemReader: new S3JsonLItemReader({ bucket, key: jsonata(field(splitExtents.output, 'shardsKey')) }),
    resultWriterV2: new ResultWriterV2({
      bucket,
      prefix: jsonata(field(splitExtents.output, 'resultsPrefix')),
      writerConfig: new WriterConfig({ outputType: OutputType.JSONL, transformation: Transformation.COMPACT }),
    }),
    outputs: '{% $states.input %}',
  }).itemProcessor(reader.next(done));
}
