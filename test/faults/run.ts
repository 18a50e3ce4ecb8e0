/** Plays every fault and prints the table: `npm run test:faults -- [--write] [--only TEXT]`. Ends with 1 when a row does not hold. */

import { parseArgs } from 'node:util';
import { FaultSite } from './fault-site.ts';
import { writeSection } from './reliability-page.ts';
import { assertOutcome, playRow, type RowResult } from './row.ts';
import { ROWS } from './rows.ts';

const { values } = parseArgs({
  options: { write: { type: 'boolean', default: false }, only: { type: 'string', default: '' } },
});
const rows = ROWS.filter(({ on, fault }) => `${on} ${fault}`.includes(values.only));
const results: RowResult[] = [];
const broken: string[] = [];
await using site = await FaultSite.start();
for (const [number, row] of rows.entries()) {
  try {
    const result = await playRow(site, row, number);
    results.push(result);
    console.log(line(result));
    assertOutcome(result);
  } catch (error) {
    broken.push(
      `${row.on}, ${row.fault} (${row.strikes}): ${error instanceof Error ? `${error.name}: ${error.message}` : error}`,
    );
    console.log(`BROKEN ${broken.at(-1)}`);
  }
}
console.log(`${results.length} faults, ${broken.length} rows do not hold`);
if (values.write) {
  const head =
    '| on | what was injected | how often | outcome | ended after | next point after | left by the run | left after the sweep |';
  await writeSection('faults', [head, '|---|---|---|---|---|---|---|---|', ...results.map(line)]);
  const persons = rows.flatMap(({ fault, person }) => (person === undefined ? [] : [`| ${fault} | ${person} |`]));
  await writeSection('persons', ['| fault | what a person does |', '|---|---|', ...persons]);
}
process.exitCode = broken.length === 0 ? 0 : 1;

function line({ row, outcome, struck, endedMs, recoveredMs, leftByRun, leftAfterSweep }: RowResult): string {
  const seconds = (ms: number) => (ms === 0 ? '' : `${(ms / 1000).toFixed(1)} s`);
  const ended = outcome === 'completed' ? 'completed' : `ended by \`${outcome}\``;
  const often = struck === undefined ? row.strikes : `${row.strikes}: ${struck}`;
  return `| ${[row.on, row.fault, often, ended, seconds(endedMs), seconds(recoveredMs), leftByRun, leftAfterSweep].join(' | ')} |`;
}
