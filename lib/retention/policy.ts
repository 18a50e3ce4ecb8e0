/**
 * Which restore points stay: grandfather, father, son, by the calendar (UTC), plus everything younger than `keepWithin`.
 * Pure: points, rules and the time in, a decision with its reasons for each point out.
 *
 * Periods are counted back by the calendar from the newest point, not by how many points there are. A burst of points,
 * by mistake or by malice, fills its own day and pushes nothing out of others; a pause in the backups lets nothing go.
 */

import * as z from 'zod/mini';

const periods = (most: number) => z._default(z.number().check(z.int(), z.nonnegative(), z.maximum(most)), 0);

export const retentionPolicy = z.strictObject({
  /** The newest points, whatever their age. */
  keepLast: periods(10_000),
  /** The newest point of each of the last so many days, ISO weeks, months, years. */
  keepDaily: periods(10_000),
  keepWeekly: periods(2_000),
  keepMonthly: periods(1_200),
  keepYearly: periods(100),
  /** Every point younger than this many days. Less than one day would let a bad night's burst decide. */
  keepWithinDays: z._default(z.number().check(z.minimum(1), z.maximum(36_500)), 7),
});

export type RetentionPolicy = Readonly<z.infer<typeof retentionPolicy>>;

export interface DatedPoint {
  readonly name: string;
  readonly time: Date;
  /** Set when the point may not go, with the reason for people. */
  readonly pinned?: string;
}

export interface Decision<P extends DatedPoint> {
  readonly point: P;
  readonly keep: boolean;
  /** Every rule that keeps the point; for one that goes, why none does. */
  readonly reasons: readonly string[];
}

export const DAY_MS = 86_400_000;
/** Day 0 of the epoch was a Thursday; ISO weeks begin on Monday. */
const THURSDAY_TO_MONDAY_DAYS = 3;

export interface Calendar {
  readonly rule: 'keepDaily' | 'keepWeekly' | 'keepMonthly' | 'keepYearly';
  readonly word: string;
  /** Number of the period that a time is in; neighbours differ by one. */
  readonly period: (time: Date) => number;
  /** When the period of this number begins. */
  readonly beginsMs: (period: number) => number;
}

const dayOf = (time: Date) => Math.floor(time.getTime() / DAY_MS);

export const CALENDARS: readonly Calendar[] = [
  { rule: 'keepDaily', word: 'day', period: dayOf, beginsMs: (day) => day * DAY_MS },
  {
    rule: 'keepWeekly',
    word: 'week',
    period: (time) => Math.floor((dayOf(time) + THURSDAY_TO_MONDAY_DAYS) / 7),
    beginsMs: (week) => (week * 7 - THURSDAY_TO_MONDAY_DAYS) * DAY_MS,
  },
  {
    rule: 'keepMonthly',
    word: 'month',
    period: (time) => time.getUTCFullYear() * 12 + time.getUTCMonth(),
    beginsMs: (month) => Date.UTC(Math.floor(month / 12), month % 12),
  },
  {
    rule: 'keepYearly',
    word: 'year',
    period: (time) => time.getUTCFullYear(),
    beginsMs: (year) => Date.UTC(year, 0),
  },
];

/** Decides for the points of one VM, which may come in any order; the answer is oldest first. */
export function decideRetention<P extends DatedPoint>(
  points: readonly P[],
  policy: RetentionPolicy,
  now: Date,
): Decision<P>[] {
  const ordered = points.toSorted((a, b) => a.time.getTime() - b.time.getTime() || (a.name < b.name ? -1 : 1));
  const reasons = new Map<P, string[]>(ordered.map((point) => [point, []]));
  const keep = (point: P | undefined, reason: string) => (point === undefined ? 0 : reasons.get(point)?.push(reason));
  keep(ordered.at(-1), 'newest point');
  for (const [back, point] of ordered.toReversed().slice(0, policy.keepLast).entries()) {
    keep(point, `last ${back + 1} of ${policy.keepLast}`);
  }
  for (const point of ordered) {
    const ageMs = now.getTime() - point.time.getTime();
    if (point.pinned !== undefined) keep(point, point.pinned);
    // A time ahead of the clock is a mistake of somebody's; nothing is decided by it.
    if (ageMs < 0) keep(point, 'dated in the future');
    else if (ageMs < policy.keepWithinDays * DAY_MS) keep(point, `younger than ${policy.keepWithinDays} days`);
  }
  const past = ordered.filter(({ time }) => time.getTime() <= now.getTime());
  for (const calendar of CALENDARS) keepPeriods(past, { calendar, count: policy[calendar.rule] }, keep);
  return ordered.map((point) => {
    const why = reasons.get(point) ?? [];
    return why.length > 0 ? { point, keep: true, reasons: why } : { point, keep: false, reasons: ['no rule keeps it'] };
  });
}

function keepPeriods<P extends DatedPoint>(
  past: readonly P[],
  { calendar, count }: { calendar: Calendar; count: number },
  keep: (point: P, reason: string) => void,
): void {
  const newest = past.at(-1);
  if (newest === undefined) return;
  const last = calendar.period(newest.time);
  const newestOf = new Map<number, P>(past.map((point) => [calendar.period(point.time), point]));
  for (const [period, point] of newestOf) {
    if (last - period < count) keep(point, `newest of its ${calendar.word}`);
  }
}
