/** `npm run load -- [--vms N] [--points N] [--write]`: plays the full loads and prints what they took. */

import { parseArgs } from 'node:util';
import { writeSection } from '../faults/reliability-page.ts';
import { playFleet } from './fleet-run.ts';
import { playList } from './point-list.ts';
import { playTwoFleets } from './two-fleets.ts';

const { values } = parseArgs({
  options: {
    vms: { type: 'string', default: '200' },
    points: { type: 'string', default: '1000' },
    write: { type: 'boolean', default: false },
  },
});

const rows: string[] = [];
const row = (load: string, figures: string): void => {
  rows.push(`| ${load} | ${figures} |`);
  console.log(rows.at(-1));
};

const list = await playList(Number(values.points));
row(
  `\`blockferry list\` of ${list.points} points`,
  `${list.seconds.toFixed(1)} s, ${Math.round(list.peakMib)} MiB at the peak, ${list.requests} requests`,
);
const two = await playTwoFleets({ large: 6, small: 12 });
row(
  `${two.large} VMs of 16 disks with 16 readers each, and beside them a fleet of ${two.small} VMs with 4 readers each`,
  `${two.seconds.toFixed(0)} s; ${two.connections} NBD connections, never more than ${two.connectionsPeak} at a time; ` +
    `the first run of the second fleet ended with ${two.largeAfterFirstSmall} of the first fleet still to end`,
);
const fleet = await playFleet(Number(values.vms));
row(
  `${fleet.vms} VMs in one fleet run`,
  `${fleet.seconds.toFixed(0)} s; a run took ${fleet.medianRunSeconds.toFixed(1)} s (median), ${fleet.slowestRunSeconds.toFixed(1)} s at most; ` +
    `at most ${fleet.connectionsPeak} NBD connections; heap ${Math.round(fleet.heapMib)} MiB at the end, ` +
    `${Math.round(fleet.heapKibOfAVm)} KiB more with each VM; a function's process at most ${Math.round(fleet.sandboxMib)} MiB`,
);
if (values.write) await writeSection('load', ['| load | seen |', '|---|---|', ...rows]);
