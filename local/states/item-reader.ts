/** Reads the items of a distributed Map from S3: a JSON array, or JSON Lines. */

import * as z from 'zod/mini';
import type { StateOf } from './definition.ts';
import { StateFailed } from './state-failed.ts';
import { evaluateCount, evaluateField, type Visit } from './visit.ts';

const READER_FAILED = 'States.ItemReaderFailed';
const location = z.strictObject({ Bucket: z.string(), Key: z.string() });
const jsonArray = z.array(z.unknown());

function parseItems(text: string, inputType: 'JSON' | 'JSONL'): readonly unknown[] {
  if (inputType === 'JSON') return jsonArray.parse(JSON.parse(text));
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.map((line): unknown => JSON.parse(line));
}

async function fetchItems(state: StateOf<'Map'>, visit: Visit): Promise<readonly unknown[]> {
  const reader = state.ItemReader;
  if (reader === undefined)
    throw new StateFailed({ error: READER_FAILED, explanation: `${visit.stateName} has no ItemReader` });
  if (!reader.Resource.endsWith(':states:::s3:getObject')) {
    throw new StateFailed({
      error: READER_FAILED,
      explanation: `ItemReader ${reader.Resource} does not run here; use s3:getObject`,
    });
  }
  const place = location.parse(
    await evaluateField(visit, { name: 'ItemReader.Arguments', template: reader.Arguments }),
  );
  const body = await visit.frame.run.ports.objects.get({ bucket: place.Bucket, key: place.Key });
  return parseItems(new TextDecoder('utf-8', { fatal: true }).decode(body), reader.ReaderConfig.InputType);
}

/** All items, or the first MaxItems of them. Throws States.ItemReaderFailed whatever went wrong with the object. */
export async function readItems(state: StateOf<'Map'>, visit: Visit): Promise<readonly unknown[]> {
  const most = await evaluateCount(visit, {
    name: 'ItemReader.ReaderConfig.MaxItems',
    template: state.ItemReader?.ReaderConfig.MaxItems,
    otherwise: Number.MAX_SAFE_INTEGER,
    least: 1,
    most: Number.MAX_SAFE_INTEGER,
    whole: true,
  });
  try {
    return (await fetchItems(state, visit)).slice(0, most);
  } catch (cause) {
    if (cause instanceof StateFailed) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StateFailed(
      { error: READER_FAILED, explanation: `the items of ${visit.stateName} cannot be read: ${reason}` },
      { cause },
    );
  }
}
