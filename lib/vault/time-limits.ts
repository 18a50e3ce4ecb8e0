/**
 * The times that keep the collector and the runs apart. A run commits within its limit or never; the collector looks at
 * nothing that is younger than the limit and the grace together. Hence whatever it takes was either committed, and is
 * named by the ledger, or can never be.
 */

const DAY_MS = 86_400_000;

/** A first full of 16 TiB takes 39 hours at 1 Gbit/s; 14 days leave room for a link of a tenth of that. */
export const RUN_LIMIT_MS = 14 * DAY_MS;
/** Covers clocks that differ by days and restores that were begun before a point was let go. */
export const GRACE_MS = 7 * DAY_MS;
