/** What the dearest VMs cost in a month, as bars: storage, runs, and a mark for the month to come. */

import { scaleLinear } from 'd3-scale';
import { countText, dollarsText } from './figures.ts';
import type { VmReport } from './fleet.ts';
import { html, type Markup } from './markup.ts';

const BARS = { width: 960, height: 26, bar: 14, label: 240, right: 90 } as const;
/** The table of the fleet has the figures of all. */
const MOST_BARS = 12;

export function costSection(vms: readonly VmReport[]): Markup {
  const shown = vms.toSorted((a, b) => monthly(b) - monthly(a)).slice(0, MOST_BARS);
  if (shown.length === 0) return html``;
  const most = Math.max(Number.MIN_VALUE, ...shown.map((vm) => Math.max(monthly(vm), vm.forecastDollars)));
  const x = scaleLinear()
    .domain([0, most])
    .range([BARS.label, BARS.width - BARS.right]);
  const others = vms.length - shown.length;
  return html`<section><h2>Cost for each VM and month</h2>
<p class="soft"><span class="key" style="background:var(--stored)"></span>storage<span class="key" style="background:var(--full)"></span>runs of 30 days<span class="key mark"></span>next month${others > 0 ? `. ${countText(others, 'other VM')} in the table below` : ''}</p>
<div class="scroll" tabindex="0" role="region" aria-label="Plot, scrolls sideways"><svg viewBox="0 0 ${BARS.width} ${shown.length * BARS.height}" role="img" aria-labelledby="cost-title">
<title id="cost-title">What each VM costs in a month and what it is expected to cost in the next; the table of virtual machines has the figures</title>
${shown.map((vm, index) => bar(vm, { x, y: index * BARS.height }))}</svg></div></section>`;
}

function bar(vm: VmReport, { x, y }: { readonly x: (dollars: number) => number; readonly y: number }): Markup {
  const at = (dollars: number) => Number(x(dollars).toFixed(1));
  const [zero, storage, all, next] = [at(0), at(vm.storageDollars), at(monthly(vm)), at(vm.forecastDollars)];
  const rect = (className: string, from: number, to: number) =>
    html`<path class="${className}" d="M${from} ${y + 5}H${to}V${y + 5 + BARS.bar}H${from}z"/>`;
  return html`<text class="name" x="${BARS.label - 10}" y="${y + 17}" text-anchor="end">${shortName(vm.name)}</text>${rect('bar-storage', zero, storage)}${rect('bar-runs', storage, all)}<path class="mark" d="M${next} ${y + 2}V${y + 8 + BARS.bar}"/><text class="tick" x="${Math.max(all, next) + 8}" y="${y + 17}">${dollarsText(monthly(vm))}</text>`;
}

const monthly = ({ runsDollars, storageDollars }: VmReport) => runsDollars + storageDollars;

/** Characters of 13 pixels that fit beside the bars. */
const NAME_CHARACTERS = 30;
const shortName = (name: string) => (name.length <= NAME_CHARACTERS ? name : `${name.slice(0, NAME_CHARACTERS - 1)}…`);
