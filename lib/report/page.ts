/** The report as one HTML page that needs nothing but itself: no script, no font, no request. */

import type { SweepResult } from '#lib/format/sweep-result.ts';
import type { UnreadablePoint } from '#lib/restore/points.ts';
import { type Coverage, coverageSection, leftoversSection, unreadableSection } from './attention.ts';
import { costSection } from './cost-plot.ts';
import { ageText, bytesText, countText, timeText } from './figures.ts';
import type { FleetDay, FleetReport } from './fleet.ts';
import type { DiskHeat } from './heat.ts';
import { html, type Markup } from './markup.ts';
import { heatMap, historyPlot } from './plots.ts';
import { STYLE } from './style.ts';
import { summary } from './summary.ts';
import { vmRow } from './vm-row.ts';

export interface PageParts {
  readonly fleet: FleetReport;
  /** How old the prices are, for people. */
  readonly pricesNote: string;
  readonly heat: readonly DiskHeat[];
  readonly unreadable: readonly UnreadablePoint[];
  readonly coverage: Coverage;
  /** Undefined in a vault that was never swept. */
  readonly sweep: SweepResult | undefined;
}

/** The browser itself refuses whatever the page would load, should a name in it ever get out of its quotes. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

export function reportPage({ fleet, pricesNote, heat, coverage, unreadable, sweep }: PageParts): string {
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<link rel="icon" href="data:,"><title>Backups in ${fleet.vault}</title><style>${STYLE}</style></head>
<body>${summary({ fleet, gaps: coverage.gaps, unreadable, sweep })}
<main>${historySection(fleet.days)}${costSection(fleet.vms)}${fleetSection(fleet)}${unreadableSection(unreadable)}${coverageSection(coverage)}${leftoversSection(sweep)}${heatSection(heat)}${notes(fleet, pricesNote)}</main></body></html>
`;
  return page.text;
}

function historySection(days: readonly FleetDay[]): Markup {
  if (days.length === 0) return html`<p>The vault holds no restore point.</p>`;
  return html`<section><h2>Changed and stored, day by day</h2>
<p class="soft"><span class="key" style="background:var(--changed)"></span>changed or read in full<span class="key" style="background:var(--stored)"></span>stored</p>
<div class="scroll" tabindex="0" role="region" aria-label="Plot, scrolls sideways">${historyPlot(days)}</div>
<details><summary>Figures by month</summary>${monthTable(days)}</details></section>`;
}

function monthTable(days: readonly FleetDay[]): Markup {
  const months = Map.groupBy(days, ({ day }) => day.toISOString().slice(0, 7));
  const rows = [...months].map(([month, of]) => {
    const sum = (field: 'points' | 'fulls' | 'changedBytes' | 'storedBytes') =>
      of.reduce((total, day) => total + day[field], 0);
    return html`<tr><th scope="row">${month}</th><td class="number">${sum('points')}</td><td class="number">${sum('fulls')}</td><td class="number">${bytesText(sum('changedBytes'))}</td><td class="number">${bytesText(sum('storedBytes'))}</td></tr>`;
  });
  return html`<table><thead><tr><th scope="col">Month</th><th scope="col" class="number">Points</th><th scope="col" class="number">Fulls</th><th scope="col" class="number">Changed</th><th scope="col" class="number">Stored</th></tr></thead><tbody>${rows}</tbody></table>`;
}

/** The strips of all VMs cover the same time, so that a night without backups is a gap through all of them. */
function fleetSection(fleet: FleetReport): Markup {
  const from = fleet.days[0]?.day ?? fleet.made;
  const span = { from, to: fleet.made };
  return html`<section id="vms"><h2>Virtual machines</h2>
<p class="soft"><span>Points from ${timeText(from).slice(0, 10)} to ${timeText(fleet.made).slice(0, 10)}</span><span class="key" style="background:var(--stored)"></span>increment<span class="key" style="background:var(--full)"></span>full</p>
<table class="fleet"><thead><tr><th scope="col">VM</th><th scope="col">State</th><th scope="col">Last good point</th><th scope="col">Next run</th><th scope="col">Verified</th><th scope="col" class="number">Changed last</th><th scope="col" class="number">Stored</th><th scope="col" class="number">A month</th></tr></thead>
${fleet.vms.map((vm) => vmRow(vm, { now: fleet.made, span }))}</table></section>`;
}

function heatSection(heat: readonly DiskHeat[]): Markup {
  if (heat.length === 0) return html``;
  const disks = heat.map(
    (
      { title, rows },
      index,
    ) => html`<h3>${title}</h3><div class="scroll heat" tabindex="0" role="region" aria-label="Map, scrolls sideways">${heatMap(rows, { id: `heat-${index}`, title: `${title}: share of each part of the disk whose content came with each run` })}</div>
<details><summary>Figures</summary><table><thead><tr><th scope="col">Run</th><th scope="col">Parts of the disk with content of it</th></tr></thead><tbody>${rows.map(({ label, shares }) => html`<tr><th scope="row">${label}</th><td>${countText(shares.filter((share) => share > 0).length, 'part')} of ${shares.length}</td></tr>`)}</tbody></table></details>`,
  );
  return html`<section><h2>Where disks change</h2><p class="soft">Each row is a run; columns go from the beginning of the disk to its end. The darker (in a dark theme: the lighter), the more of that part's present content came with the run.</p>${disks}</section>`;
}

function notes({ vms, objectiveMs }: FleetReport, pricesNote: string): Markup {
  const unnamed = vms.filter(({ verified }) => verified === undefined).length;
  return html`<section class="notes"><h2>How to read this</h2><ul>
<li>Late: the newest restore point is older than ${ageText(objectiveMs)}. Retired: nothing new for two weeks, as of a VM that is gone from its pool; its points stay.</li>
<li>Next run: by the schedule of the VM's policy; where no policy selects it (by its habit), newest point plus the median interval of the last fourteen.</li>
<li>Retention: what no rule keeps any more a week from now, with a point on each day until then. Freed are packs, indexes and manifests that no other point uses.</li>
<li>Costs: ${pricesNote}. Runs by what all their steps used; storage by the bytes that runs stored. Not in them: what a site pays whether it backs up or not (key, secret, endpoints, link).</li>
<li>Next month: as much added as in the last 30 days, nothing let go.</li>
<li>${countText(unnamed, 'VM')} without a verification record: they were checked at commit only (level 0).</li></ul></section>`;
}
