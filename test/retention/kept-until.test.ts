import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { keptAtFirstUntil, keptUntil, longestKeptUntil } from '#lib/retention/kept-until.ts';
import { decideRetention, retentionPolicy } from '#lib/retention/policy.ts';

const DAY_MS = 86_400_000;
const policyOf = (rules: object) => retentionPolicy.parse(rules);
const at = (text: string) => new Date(`${text}Z`);

test('a new point is certain to stay as long as every point does', () => {
  const policy = policyOf({ keepDaily: 14, keepMonthly: 12, keepWithinDays: 3 });
  const now = at('2026-01-31T23:30:00');
  assert.deepEqual(keptUntil([at('2026-01-31T23:00:00')], policy, now), [at('2026-02-03T23:00:00')]);
  assert.deepEqual(keptAtFirstUntil(at('2026-01-31T23:00:00'), policy), at('2026-02-03T23:00:00'));
});

test('when its day, week, month or year is over, the newest point of it is certain to stay as long as that rule says', () => {
  const time = at('2026-01-31T23:00:00');
  for (const [rules, now, until] of [
    [{ keepDaily: 14 }, '2026-02-01T00:30:00', '2026-02-14T00:00:00'],
    // 31 January 2026 is a Saturday; the week ends with Sunday.
    [{ keepWeekly: 4 }, '2026-02-01T00:30:00', '2026-02-07T23:00:00'],
    [{ keepWeekly: 4 }, '2026-02-02T00:30:00', '2026-02-23T00:00:00'],
    [{ keepMonthly: 12 }, '2026-02-01T00:30:00', '2027-01-01T00:00:00'],
    [{ keepYearly: 2 }, '2027-01-01T00:30:00', '2028-01-01T00:00:00'],
  ] as const) {
    assert.deepEqual(keptUntil([time], policyOf(rules), at(now)), [at(until)], JSON.stringify(rules));
  }
});

test('a point that a later one of its day displaces stays no longer than every point', () => {
  const [first, second] = keptUntil(
    [at('2026-01-10T01:00:00'), at('2026-01-10T13:00:00')],
    policyOf({ keepDaily: 30, keepWithinDays: 2 }),
    at('2026-01-11T01:00:00'),
  );
  assert.deepEqual([first, second], [at('2026-01-12T01:00:00'), at('2026-02-09T00:00:00')]);
});

test('a burst of points takes nothing from what is certain', () => {
  const policy = policyOf({ keepLast: 5, keepWithinDays: 1 });
  assert.deepEqual(keptUntil([at('2026-01-10T01:00:00')], policy, at('2026-03-01T00:00:00')), [
    at('2026-01-11T01:00:00'),
  ]);
});

const rules = fc.record({
  keepLast: fc.nat(4),
  keepDaily: fc.nat(10),
  keepWeekly: fc.nat(5),
  keepMonthly: fc.nat(4),
  keepYearly: fc.nat(2),
  keepWithinDays: fc.integer({ min: 1, max: 20 }),
});
/** Hours between points: several a day, pauses of weeks. */
const gaps = fc.array(fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 1000 })), {
  minLength: 2,
  maxLength: 40,
});

test('invariant 13, lock cover: the rules let no point go before the time that was ever said to be certain', () => {
  fc.assert(
    fc.property(rules, gaps, (chosen, hours) => {
      const policy = policyOf(chosen);
      const points: { name: string; time: Date }[] = [];
      const promised = new Map<string, number>();
      let nowMs = Date.UTC(2026, 0, 1);
      for (const [i, gap] of hours.entries()) {
        nowMs += gap * 3_600_000;
        const now = new Date(nowMs);
        points.push({ name: String(i), time: now });
        for (const { point, keep } of decideRetention(points, policy, now)) {
          const until = promised.get(point.name) ?? 0;
          assert.ok(keep || until <= nowMs, `point ${point.name} goes ${(until - nowMs) / DAY_MS} days too early`);
          if (!keep) points.splice(points.indexOf(point), 1);
        }
        const dates = keptUntil(
          points.map(({ time }) => time),
          policy,
          now,
        );
        for (const [at, { name, time }] of points.entries()) {
          const untilMs = dates[at]!.getTime();
          assert.ok(untilMs >= (promised.get(name) ?? 0), 'what is certain never gets less');
          assert.ok(untilMs <= longestKeptUntil(time, policy).getTime());
          promised.set(name, untilMs);
        }
      }
    }),
    { seed: 20261122, numRuns: 500 },
  );
});
