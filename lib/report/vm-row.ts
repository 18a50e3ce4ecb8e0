/** A VM's row in the table of the fleet, with the table behind its strip of points. */

import { ageText, bytesText, countText, dollarsText, timeText } from './figures.ts';
import type { VmReport } from './fleet.ts';
import { html, type Markup } from './markup.ts';
import { pointStrip } from './plots.ts';

/** Points listed for each VM beside its fulls: a week of days. Of 500 VMs, lines of 200 bytes each, they stay small. */
const NEWEST_LISTED = 7;

interface RowSetting {
  readonly now: Date;
  readonly span: { readonly from: Date; readonly to: Date };
}

export function vmRow(vm: VmReport, { now, span }: RowSetting): Markup {
  const { newest, next, verified } = vm;
  const age = ageText(now.getTime() - newest.time.getTime());
  return html`<tr><th scope="row" data-name="VM">${vm.name}</th>
<td data-name="State"><span class="${vm.status === 'late' ? 'late' : 'good'}">${vm.status}</span></td>
<td data-name="Last good point">${timeText(newest.time)} (${age})</td>
<td data-name="Next run">${next === undefined ? 'unknown' : `${next.by === 'habit' ? '~ ' : ''}${timeText(next.time)}`}</td>
<td data-name="Verified">${verified === undefined ? 'at commit' : `level ${verified.level}, ${ageText(now.getTime() - verified.time.getTime())} ago`}</td>
<td class="number" data-name="Changed last">${bytesText(newest.changedBytes)}</td>
<td class="number" data-name="Stored">${bytesText(vm.storedBytes)}</td>
<td class="number" data-name="A month">${dollarsText(vm.runsDollars + vm.storageDollars)}</td>
<td class="number" data-name="Next month">${dollarsText(vm.forecastDollars)}</td>
<td class="wide">${pointStrip(vm, span)}${vm.hints.map((hint) => html`<p class="hint">${hint}</p>`)}${retentionLine(vm)}
<details><summary>${countText(vm.pointCount, 'point')} of ${countText(vm.disks.length, 'disk')}</summary>${pointTable(vm)}</details></td></tr>
`;
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
