import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkCoverage } from '#lib/backup/coverage.ts';
import { HEAD } from '#lib/format/document.ts';
import { GrainBitmap } from '#lib/format/grain-bitmap.ts';
import type { DiskPlan } from '#lib/format/plan.ts';
import { PlannedGrains } from '#lib/format/planned-grains.ts';
import { OUTCOME_DATA, OUTCOME_UNCHANGED, OUTCOME_ZERO, Outcomes, type Receipt } from '#lib/format/receipt.ts';
import { parseDiskId, parseRunId } from '#lib/units.ts';

const DISK = parseDiskId('d15c0000-0000-4000-8000-000000000001');

function receiptOf(range: { first: number; end: number }, outcomes: readonly number[]): Receipt {
  const coded = new Outcomes(outcomes.length);
  for (const [position, outcome] of outcomes.entries()) coded.set(position, outcome);
  const count = (wanted: number) => outcomes.filter((outcome) => outcome === wanted).length;
  return {
    ...HEAD,
    requires: [],
    run: parseRunId('0000000000000001'),
    disk: DISK,
    shard: range.first,
    part: 0,
    firstGrain: range.first,
    endGrain: range.end,
    data: count(OUTCOME_DATA),
    zero: count(OUTCOME_ZERO),
    unchanged: count(OUTCOME_UNCHANGED),
    outcomes: coded.encode(outcomes.length),
    measured: { nbdBytes: 0, nbdRequests: 0, durationMs: 0 },
  };
}

function plannedBitmap(grains: number, planned: readonly number[]): GrainBitmap {
  const bitmap = new GrainBitmap(grains);
  for (const grain of planned) bitmap.add(grain);
  return bitmap;
}

const PLANNED = new PlannedGrains(plannedBitmap(64, [0, 1, 5, 40, 41, 63]));
const PLAN = { disk: DISK, plannedGrains: 6 } as DiskPlan;
const WHOLE = [
  receiptOf({ first: 0, end: 32 }, [OUTCOME_DATA, OUTCOME_ZERO, OUTCOME_UNCHANGED]),
  receiptOf({ first: 32, end: 64 }, [OUTCOME_DATA, OUTCOME_DATA, OUTCOME_DATA]),
];

const refused = { name: 'IncompleteRun', message: /not committed/ };

test('invariant 6, coverage: parts that account for every planned grain once are accepted', () => {
  checkCoverage(PLAN, PLANNED, WHOLE);
});

for (const [what, receipts] of [
  ['a part is missing', WHOLE.slice(0, 1)],
  ['there is no part at all', []],
  ['a part is there twice', [WHOLE[0]!, WHOLE[0]!, WHOLE[1]!]],
  ['parts overlap', [WHOLE[0]!, receiptOf({ first: 31, end: 64 }, [0, 0, 0])]],
  ['a part reaches beyond the disk', [WHOLE[0]!, { ...WHOLE[1]!, endGrain: 65 }]],
  ['a part has a grain too few', [WHOLE[0]!, receiptOf({ first: 32, end: 64 }, [0, 0])]],
  ['counts and outcomes disagree', [{ ...WHOLE[0]!, data: 0, zero: 2 }, WHOLE[1]!]],
  ['an outcome is none that is known', [receiptOf({ first: 0, end: 32 }, [0, 3, 2]), WHOLE[1]!]],
] as const) {
  test(`invariant 6, coverage: nothing is committed when ${what}`, () => {
    assert.throws(() => checkCoverage(PLAN, PLANNED, receipts), refused);
  });
}

test('invariant 6, coverage: nothing is committed when the bitmap is not the one that was planned', () => {
  assert.throws(() => checkCoverage({ ...PLAN, plannedGrains: 7 }, PLANNED, WHOLE), refused);
});

test('invariant 6, coverage: what is written anew is a pass of its own, and has to be accounted for as well', () => {
  const planned = new PlannedGrains(PLANNED.changed, plannedBitmap(64, [2, 42]));
  const anew = {
    ...receiptOf({ first: 0, end: 64 }, [OUTCOME_DATA, OUTCOME_DATA]),
    shard: 64,
    pass: 'rewritten',
  } as const;
  const plan = { ...PLAN, plannedGrains: 8 };
  checkCoverage(plan, planned, [...WHOLE, anew]);
  assert.throws(() => checkCoverage(plan, planned, WHOLE), refused);
  assert.throws(() => checkCoverage(plan, planned, [...WHOLE, { ...anew, pass: undefined }]), refused);
  assert.throws(() => checkCoverage(plan, planned, [...WHOLE, anew, anew]), refused);
});

test('outcomes of any length come back as they were set, and are counted right', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(2), { maxLength: 200 }), (outcomes) => {
      const receipt = receiptOf({ first: 0, end: outcomes.length }, outcomes);
      const decoded = Outcomes.of(receipt, 'test');
      assert.deepEqual(
        outcomes.map((_, position) => decoded.get(position)),
        outcomes,
      );
      assert.deepEqual(decoded.tally(), [receipt.data, receipt.zero, receipt.unchanged, 0]);
    }),
  );
});

test('outcomes that are cut are damaged', () => {
  const receipt = receiptOf({ first: 0, end: 9 }, [0, 0, 0, 0, 0, 0, 0, 0, 1]);
  assert.throws(() => Outcomes.of({ ...receipt, outcomes: receipt.outcomes.slice(4) }, 'test'), {
    name: 'DamagedObject',
  });
});
