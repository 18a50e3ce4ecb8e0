/** The head of the page: the verdict at a glance, what asks for attention, and the figures of the whole fleet. */

import type { SweepResult } from '#lib/format/sweep-result.ts';
import type { UnreadablePoint } from '#lib/restore/points.ts';
import type { Gap } from './coverage.ts';
import { ageText, bytesText, countText, dollarsText, timeText } from './figures.ts';
import type { FleetReport, VmReport } from './fleet.ts';
import { html, type Markup } from './markup.ts';

export interface SummaryParts {
  readonly fleet: FleetReport;
  readonly gaps: readonly Gap[];
  readonly unreadable: readonly UnreadablePoint[];
  readonly sweep: SweepResult | undefined;
}

/** Names that stand in the sentence of a finding; the others are in the table below. */
const NAMED = 3;

export function summary({ fleet, gaps, unreadable, sweep }: SummaryParts): Markup {
  const { vms, made, objectiveMs } = fleet;
  const late = vms.filter(({ status }) => status === 'late');
  const findings = [
    ...findingOf(late, 'vms', (names) => `Late: ${names}`),
    ...findingOf(
      vms.filter(({ hints }) => hints.length > 0),
      'vms',
      (names) => `Unlike their own history, or past their budget: ${names}`,
    ),
    ...countOf(unreadable.length, {
      section: 'unreadable',
      text: `${countText(unreadable.length, 'restore point')} that cannot be read`,
    }),
    ...countOf(gaps.length, { section: 'coverage', text: `${countText(gaps.length, 'gap')} in coverage` }),
    ...countOf(sweep?.left.length ?? 0, {
      section: 'leftovers',
      text: `${countText(sweep?.left.length ?? 0, 'object')} left on hosts or in the vault`,
    }),
  ];
  return html`<header><h1>Backups in ${fleet.vault}</h1>
<p class="soft">As of <time datetime="${made.toISOString()}">${timeText(made)}</time>. Times are UTC.</p>
${verdict({ late: late.length, unreadable: unreadable.length, objectiveMs })}${findings.length === 0 ? html`<p class="soft">Nothing asks for attention.</p>` : html`<ul class="attention">${findings}</ul>`}</header>
${tiles(fleet)}`;
}

/** A VM none of whose points can be read is in no other figure: no good verdict may stand above it. */
function verdict(of: { late: number; unreadable: number; objectiveMs: number }): Markup {
  const objective = ageText(of.objectiveMs);
  if (of.late > 0) {
    return html`<p class="verdict late">${countText(of.late, 'VM')} without a point younger than ${objective}.</p>`;
  }
  return of.unreadable > 0
    ? html`<p class="verdict late">${countText(of.unreadable, 'restore point')} cannot be read.</p>`
    : html`<p class="verdict good">Every VM has a point younger than ${objective}.</p>`;
}

function findingOf(found: readonly VmReport[], section: string, sentence: (names: string) => string): Markup[] {
  const names = found.slice(0, NAMED).map(({ name }) => name);
  const others = found.length - names.length;
  const text = sentence(others > 0 ? `${names.join(', ')} and ${countText(others, 'other')}` : names.join(', '));
  return countOf(found.length, { section, text });
}

function countOf(count: number, { section, text }: { readonly section: string; readonly text: string }): Markup[] {
  return count === 0 ? [] : [html`<li><a href="#${section}">${text}</a></li>`];
}

function tiles({ vms, days, objectiveMs }: FleetReport): Markup {
  const late = vms.filter(({ status }) => status === 'late').length;
  const inTime = vms.filter(({ status }) => status === 'in time').length;
  const sum = (of: (vm: VmReport) => number) => vms.reduce((total, vm) => total + of(vm), 0);
  const points = days.reduce((total, day) => total + day.points, 0);
  const monthly = sum(({ runsDollars, storageDollars }) => runsDollars + storageDollars);
  const tile = (id: string, figure: string, what: string) => html`<li id="${id}"><b>${figure}</b>${what}</li>`;
  return html`<ul class="tiles">
${tile('in-time', `${inTime} of ${vms.length}`, `VMs have a point younger than ${ageText(objectiveMs)}`)}
${tile('late', String(late), late === 1 ? 'VM is late' : 'VMs are late')}
${tile('points', points.toLocaleString('en-US'), 'restore points')}
${tile('stored', bytesText(sum(({ storedBytes }) => storedBytes)), 'stored')}
${tile('monthly', dollarsText(monthly), 'for 30 days of runs and a month of storage')}
${tile('forecast', dollarsText(sum(({ forecastDollars }) => forecastDollars)), 'next month, if nothing is let go')}
</ul>`;
}
