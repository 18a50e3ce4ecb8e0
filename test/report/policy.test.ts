import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { nextRun, policySelecting } from '#lib/report/policy.ts';

const NOBODY = { uuids: [], names: [], tags: [] };
const named = (policy: string, changes: object = {}) => ({
  policy,
  select: 'all' as const,
  exclude: NOBODY,
  at: '02:30',
  timezone: 'Europe/Berlin',
  ...changes,
});
const after = (at: string, timezone: string, now: string) => nextRun({ at, timezone }, new Date(now)).toISOString();

describe('the next run of a policy', () => {
  test('is later today, or tomorrow once the time of day has passed, in the zone of the policy', () => {
    assert.equal(after('23:00', 'Etc/UTC', '2026-11-21T12:00:00Z'), '2026-11-21T23:00:00.000Z');
    assert.equal(after('11:59', 'Etc/UTC', '2026-11-21T12:00:00Z'), '2026-11-22T11:59:00.000Z');
    assert.equal(after('00:30', 'Asia/Kathmandu', '2026-11-21T12:00:00Z'), '2026-11-21T18:45:00.000Z');
    assert.equal(after('20:00', 'America/New_York', '2026-11-21T23:00:00Z'), '2026-11-22T01:00:00.000Z');
  });

  test('keeps its time of day when clocks are changed', () => {
    assert.equal(after('12:00', 'Europe/Berlin', '2026-03-28T12:00:00Z'), '2026-03-29T10:00:00.000Z');
    assert.equal(after('12:00', 'Europe/Berlin', '2026-10-24T12:00:00Z'), '2026-10-25T11:00:00.000Z');
  });

  test('is within a day and an hour also where its time of day is skipped', () => {
    const now = new Date('2026-03-29T00:00:00Z');
    const next = nextRun({ at: '02:30', timezone: 'Europe/Berlin' }, now);
    assert.ok(next > now && next.getTime() - now.getTime() <= 25 * 3_600_000, next.toISOString());
  });
});

describe('the policy of a VM', () => {
  const vm = { uuid: 'u', name: 'web', tags: ['gold'] };

  test('is the first that selects it in its pool and does not leave it out', () => {
    const policies = [
      named('elsewhere', { pool: 'b' }),
      named('not me', { exclude: { ...NOBODY, tags: ['gold'] } }),
      named('gold', { select: { ...NOBODY, tags: ['gold'] } }),
      named('everything'),
    ];
    assert.equal(policySelecting(policies, vm, 'a')?.policy, 'gold');
    assert.equal(policySelecting(policies, vm, 'b')?.policy, 'elsewhere');
  });

  test('is none for a VM with the tag that leaves it out of all', () => {
    assert.equal(policySelecting([named('everything')], { ...vm, tags: ['xo:no-bak'] }, 'a'), undefined);
  });
});
