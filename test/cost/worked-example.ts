/** Compares a figure of the model with one printed in a worked example. */

import assert from 'node:assert/strict';

const TOLERANCE = 0.05;

/**
 * Within 5 % of the printed figure. A figure printed with few digits stands for everything that rounds to it: "$0.01"
 * may be 0.0083.
 */
export function reproduces(row: string, computed: number, printed: string): void {
  const figure = Number(printed.replaceAll(',', ''));
  const decimals = printed.split('.')[1]?.length ?? 0;
  const rounding = printed.includes('.') ? 0.5 / 10 ** decimals : 0.5;
  const allowed = Math.max(TOLERANCE * Math.abs(figure), rounding * 1.0001);
  assert.ok(
    Math.abs(computed - figure) <= allowed,
    `${row}: the model says ${computed}, the example ${printed} (allowed ± ${allowed})`,
  );
}
