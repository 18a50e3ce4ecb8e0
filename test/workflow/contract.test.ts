import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import type * as z from 'zod/mini';
import type { FailureClass } from '#lib/failure.ts';
import { HostBusy, NbdProtocolViolation } from '#lib/nbd/failures.ts';
import { backupInput } from '#lib/workflow/backup-input.ts';
import { commitPoint } from '#lib/workflow/commit-point.ts';
import { field, jsonata, type PayloadOf, type TransientFailureClass } from '#lib/workflow/contract.ts';
import { keepFailure } from '#lib/workflow/keep-failure.ts';
import { listVms } from '#lib/workflow/list-vms.ts';
import { planCollection } from '#lib/workflow/plan-collection.ts';
import { prunePoints } from '#lib/workflow/prune-points.ts';
import { readShard } from '#lib/workflow/read-shard.ts';
import { releaseHost } from '#lib/workflow/release-host.ts';
import { removeVersions } from '#lib/workflow/remove-versions.ts';
import { snapshotDisks } from '#lib/workflow/snapshot-disks.ts';
import { splitExtents } from '#lib/workflow/split-extents.ts';
import { sweepRuns } from '#lib/workflow/sweep-runs.ts';
import { verifyPoints } from '#lib/workflow/verify-points.ts';
import { watchPoints } from '#lib/workflow/watch-points.ts';

const contracts = [
  snapshotDisks,
  splitExtents,
  readShard,
  keepFailure,
  commitPoint,
  releaseHost,
  listVms,
  watchPoints,
  sweepRuns,
  prunePoints,
  planCollection,
  removeVersions,
  verifyPoints,
];

test('every step has a handler of its name', () => {
  const handlers = readdirSync(new URL('../../functions/', import.meta.url));
  for (const { name } of contracts) assert.ok(handlers.includes(`${name}.ts`), name);
});

test('only failures that may pass are tried again', () => {
  for (const { name, transient, occupied } of contracts) {
    const listed: FailureClass[] = [...transient, ...occupied];
    assert.ok(listed.length > 0, name);
    assert.ok(
      listed.every((failure) => failure.transient),
      name,
    );
    assert.equal(new Set(listed).size, listed.length, `${name} lists a failure twice`);
  }
});

test('a final failure in a retry list, a misspelt field and a forgotten one do not compile', () => {
  const busy: TransientFailureClass = HostBusy;
  // @ts-expect-error This failure is final.
  const violation: TransientFailureClass = NbdProtocolViolation;
  // @ts-expect-error The field is called shardsKey.
  const misspelt = field(splitExtents.output, 'shardKey');
  // @ts-expect-error The payload lacks runId.
  const incomplete: PayloadOf<typeof commitPoint.input> = {};
  assert.ok([busy, violation, misspelt, incomplete].every((value) => value !== undefined));
});

test('a field is named by the state input in which it stands, for every member of a union', () => {
  assert.equal(jsonata(field(snapshotDisks.output, 'waitSeconds')), '{% $states.input.waitSeconds %}');
  assert.equal(field(snapshotDisks.output, 'readers'), '$states.input.readers');
});

test('no answer of a step has a field for a secret', () => {
  for (const { name, output } of contracts) {
    const shapes: string = JSON.stringify(output, (key, value) => (key === 'parent' ? undefined : value));
    assert.doesNotMatch(shapes, /session|export|password|opaque/i, name);
  }
});

test('an answer with work left is the input of the next call', () => {
  const answer = readShard.output.parse({
    runId: '0123456789abcdef',
    shard: 3,
    disk: '5f0e4a3c-0b1d-4c2e-9f3a-6b7c8d9e0f1a',
    firstGrain: 0,
    endGrain: 10,
    plannedGrains: 4,
    done: false,
    parts: 1,
  });
  const { done: _done, parts: _parts, ...item } = answer;
  assert.deepEqual(readShard.input.parse(answer), item);
});

test('a run cannot ask for more readers than the host has connections', () => {
  const request: z.input<typeof backupInput> = { vm: '5f0e4a3c-0b1d-4c2e-9f3a-6b7c8d9e0f1a', readers: 17 };
  assert.equal(backupInput.safeParse(request).success, false);
  assert.equal(backupInput.safeParse({ ...request, readers: 16 }).success, true);
});
