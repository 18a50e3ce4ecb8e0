/** The facts of the report: every VM against its objective, what it stores and costs, and the fleet day by day. */

import type { Pricing } from '#lib/cost/point-cost.ts';
import { storageMonth } from '#lib/cost/storage-class.ts';
import { RETIRED_AFTER_HOURS } from '#lib/observe/late-vms.ts';
import type { Bytes } from '#lib/units.ts';
import { anomalyHints, median } from './anomalies.ts';
import type { PointFacts, VmHistory } from './history.ts';
import { nextRun, type PolicySummary } from './policy.ts';
import type { RetentionPreview } from './retention-preview.ts';

export interface Verified {
  readonly level: number;
  readonly time: Date;
}

/** `retired`: nothing new for so long that the alarm counts the VM as gone; its points stay. */
export type VmStatus = 'late' | 'in time' | 'retired';

/** Only what the page shows: the points of 500 VMs would fill the memory of the function that writes it. */
export interface VmReport extends Omit<VmHistory, 'points'> {
  readonly pointCount: number;
  /** Milliseconds since 1970 of every point, by kind. */
  readonly incrementTimes: Float64Array;
  readonly fullTimes: Float64Array;
  /** The newest points and the newest fulls, oldest first. */
  readonly recent: readonly PointFacts[];
  readonly status: VmStatus;
  readonly newest: PointFacts;
  /**
   * The next run of the schedule of its policy; without one, the newest point's time and the median interval of the last
   * fortnight's. Absent for a single point of no policy.
   */
  readonly next?: { readonly time: Date; readonly by: 'schedule' | 'habit' };
  readonly storedBytes: Bytes;
  /** Paid for the runs of the last 30 days, and for keeping what is stored for a month, in dollars. */
  readonly runsDollars: number;
  readonly storageDollars: number;
  /** The same a month on, when as much is added as in the last 30 days and nothing is let go. */
  readonly forecastDollars: number;
  readonly hints: readonly string[];
  /** The oldest of the newest verifications of its disks; absent when a disk was never verified after its commit. */
  readonly verified?: Verified;
  readonly retention?: RetentionPreview;
}

export interface FleetReport {
  readonly made: Date;
  readonly vault: string;
  readonly objectiveMs: number;
  /** Late ones first, then those that cost most. */
  readonly vms: readonly VmReport[];
  /** Oldest first; days without a run are left out. */
  readonly days: readonly FleetDay[];
}

export interface FleetDay {
  readonly day: Date;
  readonly points: number;
  readonly fulls: number;
  readonly changedBytes: Bytes;
  readonly storedBytes: Bytes;
}

export interface ReportSettings extends Pricing {
  readonly now: Date;
  readonly vault: string;
  /** How old the newest point of a VM may be. */
  readonly objectiveMs: number;
}

/** What has to be looked up for a VM beside its points. */
export interface VmFindings {
  readonly policy?: PolicySummary | undefined;
  readonly verified?: Verified | undefined;
  readonly retention?: RetentionPreview | undefined;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MONTH_DAYS = 30;
const INTERVALS = 14;
/** A month of days, whose runs the heat map names; fulls beyond it for their causes. */
const RECENT_POINTS = 30;
const RECENT_FULLS = 12;

/** Takes one VM after another, so that nobody has to hold the points of all. */
export class FleetBuilder {
  readonly #settings: ReportSettings;
  readonly #vms: VmReport[] = [];
  readonly #days = new Map<number, FleetDay>();

  constructor(settings: ReportSettings) {
    this.#settings = settings;
  }

  add(history: VmHistory, findings: VmFindings = {}): void {
    const newest = history.points.at(-1);
    if (newest === undefined) return;
    for (const point of history.points) this.#count(point);
    this.#vms.push(vmReport({ ...history, newest }, findings, this.#settings));
  }

  finish(): FleetReport {
    const { now: made, vault, objectiveMs } = this.#settings;
    const monthly = ({ runsDollars, storageDollars }: VmReport) => runsDollars + storageDollars;
    const isLate = ({ status }: VmReport) => (status === 'late' ? 1 : 0);
    return {
      made,
      vault,
      objectiveMs,
      vms: this.#vms.toSorted((a, b) => isLate(b) - isLate(a) || monthly(b) - monthly(a)),
      days: [...this.#days.values()].toSorted((a, b) => a.day.getTime() - b.day.getTime()),
    };
  }

  #count({ time, kind, changedBytes, storedBytes }: PointFacts): void {
    const dayMs = Math.floor(time.getTime() / DAY_MS) * DAY_MS;
    const before = this.#days.get(dayMs);
    this.#days.set(dayMs, {
      day: new Date(dayMs),
      points: (before?.points ?? 0) + 1,
      fulls: (before?.fulls ?? 0) + (kind === 'full' ? 1 : 0),
      changedBytes: (before?.changedBytes ?? 0) + changedBytes,
      storedBytes: (before?.storedBytes ?? 0) + storedBytes,
    });
  }
}

type Known = VmHistory & { readonly newest: PointFacts };

function vmReport({ points, ...history }: Known, findings: VmFindings, settings: ReportSettings): VmReport {
  const { newest } = history;
  const { now, prices, storageClass } = settings;
  const { policy, verified, retention } = findings;
  const month = points.filter(({ time }) => now.getTime() - time.getTime() < MONTH_DAYS * DAY_MS);
  const storedBytes = sumOf(points, ({ storedBytes: bytes }) => bytes);
  const keeping = (bytes: Bytes) => storageMonth(prices, storageClass, { bytes }).dollars;
  const runsDollars = sumOf(month, ({ run }) => run.actualDollars);
  const added = sumOf(month, ({ storedBytes: bytes }) => bytes);
  const next = nextOf(points, policy, now);
  return {
    ...history,
    ...shownOf(points),
    ...(policy && { policy: policy.policy }),
    status: statusOf(now.getTime() - newest.time.getTime(), settings.objectiveMs),
    ...(next && { next }),
    storedBytes,
    runsDollars,
    storageDollars: keeping(storedBytes),
    forecastDollars: runsDollars + keeping(storedBytes + added),
    hints: [...(newest.budgetPassed === undefined ? [] : [newest.budgetPassed]), ...anomalyHints(points)],
    ...(verified && { verified }),
    ...(retention && { retention }),
  };
}

function nextOf(points: readonly PointFacts[], policy: PolicySummary | undefined, now: Date): VmReport['next'] {
  if (policy !== undefined) return { time: nextRun(policy, now), by: 'schedule' };
  const time = nextByHabit(points);
  return time && { time, by: 'habit' };
}

function statusOf(ageMs: number, objectiveMs: number): VmStatus {
  if (ageMs <= objectiveMs) return 'in time';
  return ageMs <= RETIRED_AFTER_HOURS * HOUR_MS ? 'late' : 'retired';
}

function shownOf(points: readonly PointFacts[]) {
  const fulls = points.filter(({ kind }) => kind === 'full');
  const recentFulls = new Set(fulls.slice(-RECENT_FULLS));
  const times = (of: readonly PointFacts[]) => Float64Array.from(of, ({ time }) => time.getTime());
  return {
    pointCount: points.length,
    incrementTimes: times(points.filter(({ kind }) => kind === 'incremental')),
    fullTimes: times(fulls),
    recent: points.filter((point, index) => index >= points.length - RECENT_POINTS || recentFulls.has(point)),
  };
}

function nextByHabit(points: readonly PointFacts[]): Date | undefined {
  const times = points.slice(-INTERVALS - 1).map(({ time }) => time.getTime());
  const newest = times.at(-1);
  if (newest === undefined || times.length < 2) return undefined;
  return new Date(newest + median(times.slice(1).map((time, index) => time - (times[index] ?? time))));
}

function sumOf<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((sum, item) => sum + of(item), 0);
}
