/** The fan-out of a run: every line of shards.jsonl goes to a reader of its own, so many at a time as the run may have. */

import type { IBucket } from 'aws-cdk-lib/aws-s3';
import {
  Choice,
  Condition,
  DistributedMap,
  Fail,
  OutputType,
  Pass,
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
import { keepFailure } from '#lib/workflow/keep-failure.ts';
import { MAX_SHARD_PARTS, readShard } from '#lib/workflow/read-shard.ts';
import { splitExtents } from '#lib/workflow/split-extents.ts';
import { CAUGHT_CAUSE, CAUGHT_ERROR } from './caught.ts';

export interface ShardMapProps {
  readonly bucket: IBucket;
  readonly reader: LambdaInvoke;
  /** Keeps in the vault what a reader failed with. */
  readonly keep: LambdaInvoke;
  /** Learns, after the map, which failure was kept first. */
  readonly recall: LambdaInvoke;
}

const TOO_SLOW = `The shard was not done after ${MAX_SHARD_PARTS} calls; look at the link between the readers and the host`;

/**
 * ```
 *   read-shard --> shard-done? --yes--> shard-read            the map: first failed child --> all others are stopped
 *    ^    |           | no                                                                 |
 *    +----|parts left-+--none left--> shard-too-slow                               first-failure
 *         | any error                     |                                                |
 *         +-----> keep-failure <----------+                                         readers-failed
 *                      |
 *                 shard-failed
 * ```
 * Its input and its output are the answer of split-extents. Children are Standard workflows: an Express one must end
 * after five minutes, a reader may take fifteen. What a child failed with is kept before it fails, because the map's own
 * error says only that there were too many failures.
 */
export function shardMap(scope: Construct, props: ShardMapProps): DistributedMap {
  const { bucket, reader, recall } = props;
  const tooSlow = Pass.jsonata(scope, 'shard-too-slow', {
    outputs: {
      runId: jsonata(field(readShard.output, 'runId')),
      error: ShardTooSlow.failureName,
      cause: TOO_SLOW,
    },
  });
  const keep = props.keep.next(failWithKept(scope, 'shard-failed'));
  reader.addCatch(keep, { outputs: caughtIn(field(readShard.input, 'runId')) });
  const done = Choice.jsonata(scope, 'shard-done')
    .when(Condition.jsonata(jsonata(field(readShard.output, 'done'))), Succeed.jsonata(scope, 'shard-read'))
    .when(Condition.jsonata(jsonata(`${field(readShard.output, 'parts')} < ${MAX_SHARD_PARTS}`)), reader)
    .otherwise(tooSlow.next(keep));
  const map = DistributedMap.jsonata(scope, 'read-shards', {
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
  const explained = recall.next(failWithKept(scope, 'readers-failed'));
  return map.addCatch(explained, { outputs: caughtIn(field(splitExtents.output, 'runId')) });
}

/** The input of keep-failure, made where an error is caught. */
function caughtIn(runId: string) {
  return { runId: jsonata(runId), error: jsonata(CAUGHT_ERROR), cause: jsonata(CAUGHT_CAUSE) };
}

function failWithKept(scope: Construct, id: string): Fail {
  const kept = keepFailure.output;
  return Fail.jsonata(scope, id, { error: jsonata(field(kept, 'error')), cause: jsonata(field(kept, 'cause')) });
}
