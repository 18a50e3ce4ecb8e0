/** The parts of the page that ask for attention: points that cannot be read, gaps in coverage, leftovers on hosts. */

import type { PoolInventory } from '#lib/format/inventory.ts';
import type { SweepResult } from '#lib/format/sweep-result.ts';
import type { UnreadablePoint } from '#lib/restore/points.ts';
import type { Gap, GapKind } from './coverage.ts';
import { countText, timeText } from './figures.ts';
import { html, type Markup } from './markup.ts';

export interface Coverage {
  readonly inventories: readonly Pick<PoolInventory, 'pool' | 'time' | 'vms'>[];
  readonly gaps: readonly Gap[];
}

const KINDS: Readonly<Record<GapKind, string>> = {
  'no-point-yet': 'no point yet',
  'not-selected': 'not selected',
  'disk-left-out': 'disk left out',
  'gone-from-pool': 'gone from its pool',
};
/** By what it may cost to overlook it. */
const ORDER: readonly GapKind[] = ['no-point-yet', 'not-selected', 'disk-left-out', 'gone-from-pool'];
/** Rows of 200 bytes; a pool that nobody backs up must not make the page too large to open. */
const MOST_ROWS = 500;

export function coverageSection({ inventories, gaps }: Coverage): Markup {
  if (inventories.length === 0) {
    return html`<section id="coverage"><h2>Coverage</h2><p class="soft">No inventory of a pool is in the vault yet: the daily upkeep takes them, and <code>blockferry coverage</code> asks a host directly.</p></section>`;
  }
  const vms = inventories.reduce((sum, inventory) => sum + inventory.vms.length, 0);
  const looked = inventories.map(({ pool, time }) => `${pool} at ${timeText(time)}`).join(', ');
  const intro = html`<p class="soft">${countText(vms, 'VM')} of ${countText(inventories.length, 'pool')}, looked at: ${looked}.</p>`;
  if (gaps.length === 0) {
    return html`<section id="coverage"><h2>Coverage</h2>${intro}<p class="good">Every VM and every disk has a point.</p></section>`;
  }
  const ordered = ORDER.flatMap((kind) => gaps.filter((gap) => gap.kind === kind));
  const rows = ordered
    .slice(0, MOST_ROWS)
    .map(
      ({ kind, name, pool, why }) =>
        html`<tr><th scope="row" data-name="VM">${name}</th><td data-name="Pool">${pool}</td><td data-name="Gap">${KINDS[kind]}</td><td data-name="Why">${why}</td></tr>`,
    );
  const hidden = ordered.length - rows.length;
  return html`<section id="coverage"><h2>Coverage</h2>${intro}
<table class="cards"><thead><tr><th scope="col">VM</th><th scope="col">Pool</th><th scope="col">Gap</th><th scope="col">Why</th></tr></thead><tbody>${rows}</tbody></table>${hidden > 0 ? html`<p class="soft">${countText(hidden, 'more gap')} not listed; <code>blockferry coverage</code> prints all.</p>` : html``}</section>`;
}

/** Nothing in a vault where every point can be read. */
export function unreadableSection(unreadable: readonly UnreadablePoint[]): Markup {
  if (unreadable.length === 0) return html``;
  const rows = unreadable
    .slice(0, MOST_ROWS)
    .map(({ key, why }) => html`<tr><th scope="row" data-name="Point">${key}</th><td data-name="Why">${why}</td></tr>`);
  return html`<section id="unreadable"><h2>Restore points that cannot be read</h2>
<p class="soft">They are in no other figure of this page, and retention lets no point of their VM go while they are there. An earlier version of the object, if the bucket keeps versions, is the point as it was committed.</p>
<table class="cards"><thead><tr><th scope="col">Point</th><th scope="col">Why</th></tr></thead><tbody>${rows}</tbody></table></section>`;
}

export function leftoversSection(sweep: SweepResult | undefined): Markup {
  if (sweep === undefined) {
    return html`<section id="leftovers"><h2>Left on hosts</h2><p class="soft">No sweep has looked yet.</p></section>`;
  }
  const { time, removed, left, spared } = sweep;
  const intro = html`<p class="soft">The sweep of ${timeText(time)} took away ${countText(removed.length, 'object')} that dead runs had left.</p>`;
  const remarks = [
    ...left.map((remark) => ({ ...remark, state: 'still there' })),
    ...spared.map((remark) => ({ ...remark, state: 'not touched' })),
  ];
  if (remarks.length === 0) {
    return html`<section id="leftovers"><h2>Left on hosts</h2>${intro}<p class="good">Nothing is left beside what each disk's next increment needs.</p></section>`;
  }
  const rows = remarks
    .slice(0, MOST_ROWS)
    .map(
      ({ what, why, state }) =>
        html`<tr><th scope="row" data-name="What">${what}</th><td data-name="State">${state}</td><td data-name="Why">${why}</td></tr>`,
    );
  return html`<section id="leftovers"><h2>Left on hosts</h2>${intro}
<table class="cards"><thead><tr><th scope="col">What</th><th scope="col">State</th><th scope="col">Why</th></tr></thead><tbody>${rows}</tbody></table></section>`;
}
