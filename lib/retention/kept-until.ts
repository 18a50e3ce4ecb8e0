/**
 * How long a restore point is certain to stay, whatever points come after it: what its lock may promise. Pure.
 *
 * A point of a period that goes on, today for instance, can still be displaced by a later one of the same period, so that
 * only `keepWithinDays` is certain. Once the period is over its newest point is the one that the rule keeps, until the
 * period that pushes it out begins. `keepLast` promises nothing: a burst of points may come at any time.
 */

import { CALENDARS, type Calendar, DAY_MS, type RetentionPolicy } from './policy.ts';

/** For each point, in the order given, when the rules may let it go at the earliest. */
export function keptUntil(points: readonly Date[], policy: RetentionPolicy, now: Date): Date[] {
  const newest = CALENDARS.map((calendar) => newestOfPeriods(points, calendar));
  return points.map((time) => {
    const certain = CALENDARS.filter((calendar, i) => {
      const period = calendar.period(time);
      return calendar.period(now) > period && newest[i]?.get(period) === time.getTime();
    });
    return latest(time, policy, certain);
  });
}

function newestOfPeriods(points: readonly Date[], { period }: Calendar): Map<number, number> {
  const newest = new Map<number, number>();
  for (const time of points) newest.set(period(time), Math.max(newest.get(period(time)) ?? 0, time.getTime()));
  return newest;
}

/** When the rules let a point of this time go at the latest, should it be the one that each of them keeps. */
export function longestKeptUntil(time: Date, policy: RetentionPolicy): Date {
  return latest(time, policy, CALENDARS);
}

/** Until when a point that is made now is certain to stay. */
export function keptAtFirstUntil(time: Date, policy: RetentionPolicy): Date {
  return latest(time, policy, []);
}

function latest(time: Date, policy: RetentionPolicy, calendars: readonly Calendar[]): Date {
  const ends = calendars
    .filter(({ rule }) => policy[rule] > 0)
    .map(({ rule, period, beginsMs }) => beginsMs(period(time) + policy[rule]));
  return new Date(Math.max(time.getTime() + policy.keepWithinDays * DAY_MS, ...ends));
}
