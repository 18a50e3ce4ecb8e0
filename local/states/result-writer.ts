/**
 * The results of a distributed Map: an array in the state, or files in S3 with a manifest that names them.
 *
 *   <Prefix>/<map run uuid>/manifest.json          what the state's result points to
 *   <Prefix>/<map run uuid>/SUCCEEDED_0.json(l)    outputs of children, in the order of the items
 *   <Prefix>/<map run uuid>/FAILED_0.json(l)       full records of children that failed within the tolerance
 */

import * as z from 'zod/mini';
import type { StateOf } from './definition.ts';
import { StateFailed } from './state-failed.ts';
import { type ChildEnd, evaluateField, type Visit } from './visit.ts';

const WRITER_FAILED = 'States.ResultWriterFailed';
const destination = z.strictObject({ Bucket: z.string(), Prefix: z.optional(z.string()) });

type Transformation = 'NONE' | 'COMPACT' | 'FLATTEN';
interface FinishedMapRun {
  readonly mapRunArn: string;
  /** In the order of the items. */
  readonly ends: readonly ChildEnd[];
}
interface WrittenFile {
  readonly Key: string;
  readonly Size: number;
}

/** A child as the service records it: input and output are JSON in a string. */
function childRecord(end: ChildEnd): Readonly<Record<string, unknown>> {
  return {
    ExecutionArn: end.executionArn,
    Input: JSON.stringify(end.input),
    InputDetails: { Included: true },
    Name: end.name,
    ...(end.output === undefined ? {} : { Output: JSON.stringify(end.output), OutputDetails: { Included: true } }),
    ...(end.error === undefined ? {} : { Error: end.error }),
    ...(end.cause === undefined ? {} : { Cause: end.cause }),
    StartDate: end.startDate.toISOString(),
    StateMachineArn: end.stateMachineArn,
    Status: end.status,
    ...(end.stopDate === undefined ? {} : { StopDate: end.stopDate.toISOString() }),
  };
}

/** A child that failed is recorded in full, whatever the transformation. */
function transformed(ends: readonly ChildEnd[], transformation: Transformation): readonly unknown[] {
  return ends.flatMap((end) => {
    if (transformation === 'NONE' || end.status !== 'SUCCEEDED') return [childRecord(end)];
    return transformation === 'FLATTEN' && Array.isArray(end.output) ? end.output : [end.output];
  });
}

function serialized(records: readonly unknown[], outputType: 'JSON' | 'JSONL'): Uint8Array {
  const text =
    outputType === 'JSON' ? JSON.stringify(records) : records.map((record) => `${JSON.stringify(record)}\n`).join('');
  return new TextEncoder().encode(text);
}

async function writeResults(state: StateOf<'Map'>, visit: Visit, mapRun: FinishedMapRun): Promise<unknown> {
  const writer = state.ResultWriter;
  const template = writer?.Arguments;
  const { Bucket, Prefix } = destination.parse(
    await evaluateField(visit, { name: 'ResultWriter.Arguments', template }),
  );
  const folder = [Prefix, mapRun.mapRunArn.split(':').at(-1)]
    .filter((part) => part !== undefined && part !== '')
    .join('/');
  const { Transformation = 'NONE', OutputType = 'JSON' } = writer?.WriterConfig ?? {};
  const { objects } = visit.frame.run.ports;
  const writeFile = async (status: string, ends: readonly ChildEnd[]): Promise<readonly WrittenFile[]> => {
    if (ends.length === 0) return [];
    const key = `${folder}/${status}_0.${OutputType.toLowerCase()}`;
    const body = serialized(transformed(ends, Transformation), OutputType);
    await objects.put({ bucket: Bucket, key }, body);
    return [{ Key: key, Size: body.byteLength }];
  };
  const { SUCCEEDED = [], FAILED = [] } = Object.groupBy(mapRun.ends, ({ status }) =>
    status === 'SUCCEEDED' ? 'SUCCEEDED' : 'FAILED',
  );
  const ResultFiles = {
    FAILED: await writeFile('FAILED', FAILED),
    PENDING: [],
    SUCCEEDED: await writeFile('SUCCEEDED', SUCCEEDED),
  };
  // The manifest comes last: whoever finds it finds the files it names.
  const manifest = { DestinationBucket: Bucket, MapRunArn: mapRun.mapRunArn, ResultFiles };
  const Key = `${folder}/manifest.json`;
  await objects.put({ bucket: Bucket, key: Key }, serialized([manifest], 'JSONL'));
  return { MapRunArn: mapRun.mapRunArn, ResultWriterDetails: { Bucket, Key } };
}

/** What `$states.result` is after the Map Run. Throws States.ResultWriterFailed when S3 does not take the files. */
export async function resultOf(state: StateOf<'Map'>, visit: Visit, mapRun: FinishedMapRun): Promise<unknown> {
  const writer = state.ResultWriter;
  if (writer?.Resource === undefined) {
    return transformed(mapRun.ends, writer?.WriterConfig?.Transformation ?? 'COMPACT');
  }
  try {
    if (!writer.Resource.endsWith(':states:::s3:putObject')) {
      throw new StateFailed({
        error: WRITER_FAILED,
        explanation: `ResultWriter ${writer.Resource} does not run here; use s3:putObject`,
      });
    }
    return await writeResults(state, visit, mapRun);
  } catch (cause) {
    if (cause instanceof StateFailed) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StateFailed(
      { error: WRITER_FAILED, explanation: `the results of ${visit.stateName} cannot be written: ${reason}` },
      { cause },
    );
  }
}
