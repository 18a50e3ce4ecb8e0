/** Names of everything Blockferry measures: shared by the functions that emit, the alarms, the dashboard and the tests. */

export const METRIC_NAMESPACE = 'Blockferry';
/** The only dimension, whose value is the installation's name: each further combination would cost 0.30 USD a month. */
export const INSTALLATION_DIMENSION = 'installation';

/** By name, the unit. All but the last belong to one run of one VM. */
export const METRICS = {
  ChangedBytes: 'Bytes',
  StoredBytes: 'Bytes',
  ZeroBytes: 'Bytes',
  UnchangedBytes: 'Bytes',
  /** Of the disks that were read incrementally, how much the host reported as changed. */
  ChangedPercent: 'Percent',
  /** Of one reader, while it read. */
  ReaderMibPerSecond: 'Count',
  /** Calls of steps that failed, after which the run went on all the same. */
  Retries: 'Count',
  /** Disks read in full that could have been read incrementally. */
  UnexpectedFulls: 'Count',
  /** Objects that a run could not take off the host. */
  LeftOnHost: 'Count',
  /** Connections that ended because a host showed another certificate than the expected one. */
  CertificatesRefused: 'Count',
  /** Days for which the certificates of a run's hosts are still valid, of the one that runs out first. */
  CertificateDaysLeft: 'Count',
  /** Runs that cost more than their budget says, whether they went on or not. */
  BudgetPassed: 'Count',
  /** What a sweep had to take away, because a run died before it could. */
  SweptObjects: 'Count',
  /** Objects of the vault that are not as they were written. */
  VerificationFindings: 'Count',
  /** VMs whose newest restore point is older than the objective. */
  VmsWithoutRecentPoint: 'Count',
} as const;

export type MetricName = keyof typeof METRICS;
export type Measurements = Readonly<Partial<Record<MetricName, number>>>;

/**
 * What measurements are about. It stands beside them in the log, where a query finds it (runbook, "What one VM measured"),
 * and is no dimension: each VM would cost as much a month as all metrics together.
 */
export interface MeasuredRun {
  readonly vm: string;
  readonly run: string;
  /** Why disks were read in full, each reason once. */
  readonly fullsBecause: readonly string[];
}
