import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type DatedPoint, decideRetention, type RetentionPolicy, retentionPolicy } from '#lib/retention/policy.ts';

const DAY_MS = 86_400_000;
/** A Sunday, the last day of its ISO week. */
const NOW = new Date('2026-11-22T03:00:00Z');

const policy = (rules: Partial<RetentionPolicy>): RetentionPolicy =>
  retentionPolicy.parse({ keepWithinDays: 1, ...rules });
const pointAt = (time: string): DatedPoint => ({ name: time, time: new Date(time) });
/** One point at 01:00 of each of the last `count` days, newest last. */
const dailies = (count: number) =>
  Array.from({ length: count }, (_, back) => {
    const time = new Date(NOW.getTime() - (count - 1 - back) * DAY_MS - 2 * 3_600_000);
    return { name: time.toISOString().slice(0, 10), time };
  });

function kept(points: readonly DatedPoint[], rules: Partial<RetentionPolicy>, now = NOW): string[] {
  return decideRetention(points, policy(rules), now)
    .filter(({ keep }) => keep)
    .map(({ point }) => point.name);
}

test('grandfather, father and son keep the newest point of each day, ISO week, month and year', () => {
  const points = dailies(400);
  assert.deepEqual(kept(points, { keepDaily: 3 }), ['2026-11-20', '2026-11-21', '2026-11-22']);
  assert.deepEqual(kept(points, { keepWeekly: 3 }), ['2026-11-08', '2026-11-15', '2026-11-22']);
  assert.deepEqual(kept(points, { keepMonthly: 3 }), ['2026-09-30', '2026-10-31', '2026-11-22']);
  assert.deepEqual(kept(points, { keepYearly: 2 }), ['2025-12-31', '2026-11-22']);
});

test('every decision has its reasons, also the one to go', () => {
  const decisions = decideRetention(dailies(9), policy({ keepDaily: 1, keepLast: 2 }), NOW);
  const reasons = new Map(decisions.map(({ point, reasons: why }) => [point.name, why]));
  assert.deepEqual(reasons.get('2026-11-22'), [
    'newest point',
    'last 1 of 2',
    'younger than 1 days',
    'newest of its day',
  ]);
  assert.deepEqual(reasons.get('2026-11-21'), ['last 2 of 2']);
  assert.deepEqual(reasons.get('2026-11-20'), ['no rule keeps it']);
});

test('a burst of points pushes nothing out of other days', () => {
  const good = dailies(5).slice(0, 4);
  const burst = Array.from({ length: 1000 }, (_, i) => pointAt(new Date(NOW.getTime() - 1000 - i).toISOString()));
  const names = kept([...good, ...burst], { keepDaily: 5 });
  for (const { name } of good) assert.ok(names.includes(name), name);
});

test('a point dated in the future decides nothing about the others', () => {
  const points = [...dailies(3), pointAt('2036-01-01T00:00:00Z')];
  assert.deepEqual(kept(points, { keepDaily: 3 }), ['2026-11-20', '2026-11-21', '2026-11-22', '2036-01-01T00:00:00Z']);
});

test('while no backups run nothing is let go', () => {
  const points = dailies(10);
  const before = kept(points, { keepDaily: 5, keepMonthly: 1 });
  const later = new Date(NOW.getTime() + 300 * DAY_MS);
  assert.deepEqual(kept(points, { keepDaily: 5, keepMonthly: 1 }, later), before);
});

test('everything younger than keepWithinDays stays, and a pinned point whatever its age', () => {
  const points = [{ ...pointAt('2020-01-01T00:00:00Z'), pinned: 'newest point of disk x' }, ...dailies(5)];
  assert.deepEqual(kept(points, { keepWithinDays: 2 }), ['2020-01-01T00:00:00Z', '2026-11-21', '2026-11-22']);
});

test('invariant 12, head protection: under any policy and any points the newest one stays', () => {
  const times = fc.array(fc.integer({ min: 0, max: 4000 }), { minLength: 1, maxLength: 40 });
  const rules = fc.record({
    keepLast: fc.nat(3),
    keepDaily: fc.nat(5),
    keepWeekly: fc.nat(3),
    keepMonthly: fc.nat(3),
    keepYearly: fc.nat(2),
    keepWithinDays: fc.integer({ min: 1, max: 9 }),
  });
  fc.assert(
    fc.property(times, rules, (hours, random) => {
      const points = hours.map((hour, i) => ({ name: `p${i}`, time: new Date(NOW.getTime() - hour * 3_600_000) }));
      const decisions = decideRetention(points, random, NOW);
      assert.equal(decisions.length, points.length);
      assert.ok(decisions.at(-1)?.keep);
      for (const { keep, reasons } of decisions) assert.ok(reasons.length > 0 && (keep || reasons.length === 1));
    }),
  );
});

test('a policy that is no policy is refused', () => {
  for (const wrong of [{ keepDaily: -1 }, { keepDaily: 1.5 }, { keepWithinDays: 0 }, { keepDayly: 3 }]) {
    assert.equal(retentionPolicy.safeParse(wrong).success, false, JSON.stringify(wrong));
  }
});
