/** A VM in the table of the fleet: its figures, below them its points on a time line with the table behind it. */

import { ageText, bytesText, countText, dollarsText, timeText } from './figures.ts';
import type { VmReport } from './fleet.ts';
import { html, type Markup } from './markup.ts';
import { pointStrip } from './plots.ts';

/** Points listed for each VM beside its fulls: a week of days. Of 500 VMs, lines of 200 bytes each, they stay small. */
const NEWEST_LISTED = 7;

/** Of the table of the fleet. */
const COLUMNS = 8;

interface RowSetting {
  readonly now: Date;
  readonly span: { readonly from: Date; readonly to: Date };
}

export function vmRow(vm: VmReport, { now, span }: RowSetting): Markup {
  const { newest, verified } = vm;
  const age = ageText(now.getTime() - newest.time.getTime());
  return html`<tbody><tr><th scope="row" data-name="VM">${vm.name}</th>
<td data-name="State"><span class="pill ${STATE_CLASS[vm.status]}">${vm.status}</span></td>
<td data-name="Last good point"><span><b>${age} ago</b><small>${timeText(newest.time)}</small></span></td>
<td data-name="Next run"><span>${nextText(vm)}</span></td>
<td data-name="Verified">${verified === undefined ? 'at commit' : html`<span><b>level ${verified.level}</b><small>${ageText(now.getTime() - verified.time.getTime())} ago</small></span>`}</td>
<td class="number" data-name="Changed last">${bytesText(newest.changedBytes)}</td>
<td class="number" data-name="Stored">${bytesText(vm.storedBytes)}</td>
<td class="number" data-name="A month"><span>${dollarsText(vm.runsDollars + vm.storageDollars)}<small>next ${dollarsText(vm.forecastDollars)}</small></span></td>
</tr>
<tr class="points"><td colspan="${COLUMNS}">${pointStrip(vm, span)}<div class="remarks">${fullsLine(vm)}${retentionLine(vm)}${vm.hints.map((hint) => html`<p class="hint">${hint}</p>`)}</div>
<details><summary>${countText(vm.pointCount, 'point')} of ${countText(vm.disks.length, 'disk')}</summary>${pointTable(vm)}</details></td></tr></tbody>
`;
}

const STATE_CLASS = { late: 'late', 'in time': 'good', retired: 'soft' } as const;

function nextText({ next, policy }: VmReport): Markup {
  if (next === undefined) return html`unknown`;
  const by = next.by === 'schedule' ? `policy ${policy}` : 'by its habit';
  return html`<b>${timeText(next.time)}</b><small>${by}</small>`;
}

/** Fulls cost most of all runs, so the page says why there were any. */
function fullsLine({ recent, fullTimes }: VmReport): Markup {
  const last = recent.findLast(({ kind }) => kind === 'full');
  if (last === undefined) return html``;
  return html`<p class="soft">${countText(fullTimes.length, 'full')}, the last on ${timeText(last.time).slice(0, 10)}: ${last.causes.join(', ')}.</p>`;
}

function retentionLine({ retention }: VmReport): Markup {
  if (retention === undefined || retention.points === 0) return html``;
  const { points, kind, bytes } = retention;
  const freed = kind === 'exactly' ? bytesText(bytes) : `at most ${bytesText(bytes)}`;
  return html`<p class="soft">Retention lets ${countText(points, 'point')} go within a week and frees ${freed}.</p>`;
}

function pointTable({ recent, pointCount }: VmReport): Markup {
  const listed = recent.filter(({ kind }, index) => index >= recent.length - NEWEST_LISTED || kind === 'full');
  const rows = listed
    .toReversed()
    .map(
      (point) =>
        html`<tr><th scope="row">${timeText(point.time)}</th><td>${point.kind}${point.kind === 'full' ? `: ${point.causes.join(', ')}` : ''}</td><td class="number">${bytesText(point.changedBytes)}</td><td class="number">${bytesText(point.storedBytes)}</td><td class="number">${dollarsText(point.run.actualDollars)}</td><td class="number">${dollarsText(point.run.estimatedDollars)}</td><td>${point.run.explanation ?? ''}</td></tr>`,
    );
  const left = pointCount - listed.length;
  return html`<table><thead><tr><th scope="col">Point</th><th scope="col">Kind</th><th scope="col" class="number">Changed</th><th scope="col" class="number">Stored</th><th scope="col" class="number">Run</th><th scope="col" class="number">Estimated</th><th scope="col">Difference</th></tr></thead><tbody>${rows}</tbody></table>${left > 0 ? html`<p class="soft">${countText(left, 'older point')} not listed.</p>` : html``}`;
}
