/** What has become of the calls of a pool, counted where it happens. */
export interface Tally {
  /** Number of calls that have rejected or were given up. */
  failed: number;
  /** Number of those whose time was over: that of their task, or that for which they may wait. */
  timedOut: number;
}
