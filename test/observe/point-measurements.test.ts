import assert from 'node:assert/strict';
import { test } from 'node:test';
import { embeddedMetrics } from '#functions/metrics.ts';
import { measuredRun } from '#lib/backup/measured-run.ts';
import { HEAD } from '#lib/format/document.ts';
import { measuredRunOf, measurementsOf } from '#lib/observe/point-measurements.ts';
import { INSTALLATION_DIMENSION } from '#lib/workflow/metrics.ts';
import { pointOf } from '../report/point-fixture.ts';

const time = new Date('2026-12-01T01:00:00Z');
const full = pointOf({ vmName: 'web-1', time, seq: 7, kind: 'full', dataGrains: 3, storedBytes: 100 });

function recordOf(point: typeof full) {
  const lines: string[] = [];
  const log = { installation: 'blockferry', write: (line: string) => void lines.push(line), now: () => time };
  embeddedMetrics(log)(measurementsOf(point), measuredRunOf(point));
  const [line = assert.fail('nothing was written')] = lines;
  return JSON.parse(line);
}

test('the record of a point names its VM, its run and the causes of its fulls, none of them as a dimension', () => {
  const record = recordOf(full);
  assert.equal(record.vm, full.vm);
  assert.equal(record.run, full.run);
  assert.deepEqual(record.fullsBecause, ['cbt-off']);
  assert.equal(record.UnexpectedFulls, 1);
  assert.deepEqual(record._aws.CloudWatchMetrics[0].Dimensions, [[INSTALLATION_DIMENSION]]);
});

test('calls of steps that failed on the way to a point are its retries', () => {
  const call = { ...HEAD, requires: [], run: full.run, step: 'snapshot-disks', gbSeconds: 1 };
  const calls = [true, false, false].map((answered) => ({ ...call, answered }));
  const measured = measuredRun({}, [], { calls, durationMs: 1_000, manifestBytes: 10 });
  assert.equal(measurementsOf({ ...full, measured }).Retries, 2);
  assert.equal(measurementsOf(full).Retries, 0);
});
