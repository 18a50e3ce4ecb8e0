/** The plots of the report as SVG text. Colours come from the page's style sheet, so that they follow its theme. */

import { scaleLinear, scaleUtc } from 'd3-scale';
import { area, line } from 'd3-shape';
import type { Bytes } from '#lib/units.ts';
import { bytesText, unitOf } from './figures.ts';
import type { FleetDay, VmReport } from './fleet.ts';
import { html, type Markup } from './markup.ts';

const HISTORY = { width: 960, height: 260, left: 78, right: 12, top: 12, bottom: 28 } as const;
const TICKS = { time: 8, bytes: 4 } as const;
/** Of the longest name of a month. */
const HALF_TIME_NAME = 34;

/** Changed bytes as an area and stored bytes as a line, day by day. */
export function historyPlot(days: readonly FleetDay[]): Markup {
  const { width, height, left, right, top, bottom } = HISTORY;
  const [first, last] = [days[0]?.day ?? new Date(0), days.at(-1)?.day ?? new Date(0)];
  const x = scaleUtc()
    .domain([first, last])
    .range([left, width - right]);
  const most = Math.max(1, ...days.map(({ changedBytes, storedBytes }) => Math.max(changedBytes, storedBytes)));
  const unit = unitOf(most);
  // Ticks are round in the unit that their labels have.
  const inUnits = scaleLinear()
    .domain([0, most / unit])
    .range([height - bottom, top]);
  const y = (bytes: Bytes) => inUnits(bytes / unit);
  const changed = area<FleetDay>()
    .digits(1)
    .x(({ day }) => x(day))
    .y0(y(0))
    .y1(({ changedBytes }) => y(changedBytes));
  const stored = line<FleetDay>()
    .digits(1)
    .x(({ day }) => x(day))
    .y(({ storedBytes }) => y(storedBytes));
  const timeName = x.tickFormat();
  return html`<svg viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="history-title">
<title id="history-title">Changed and stored bytes of the whole fleet, day by day; the table below has the figures by month</title>
${inUnits.ticks(TICKS.bytes).map((tick) => byteTick(tick * unit, inUnits(tick)))}
<path class="changed" d="${changed(days) ?? ''}"/><path class="stored" d="${stored(days) ?? ''}"/>
${x.ticks(TICKS.time).map((tick) => timeTick(timeName(tick), x(tick)))}
</svg>`;
}

/** Below its time, but for the last one, which would be cut off at the end of the plot. */
function timeTick(name: string, x: number): Markup {
  const { width, height, right } = HISTORY;
  const ends = x > width - right - HALF_TIME_NAME;
  return html`<text class="tick" text-anchor="${ends ? 'end' : 'middle'}" x="${(ends ? width - right : x).toFixed(1)}" y="${height - 8}">${name}</text>`;
}

function byteTick(bytes: number, y: number): Markup {
  const { left, right, width } = HISTORY;
  return html`<path class="grid" d="M${left} ${y.toFixed(1)}H${width - right}"/><text class="tick" text-anchor="end" x="${left - 6}" y="${(y + 4).toFixed(1)}">${bytesText(bytes)}</text>`;
}

const STRIP = { width: 480, height: 22 } as const;

/** One VM's points between two times: increments as ticks, fulls as taller bars. */
export function pointStrip(
  { incrementTimes, fullTimes }: Pick<VmReport, 'incrementTimes' | 'fullTimes'>,
  span: { from: Date; to: Date },
): Markup {
  const x = scaleUtc()
    .domain([span.from, span.to])
    .range([1, STRIP.width - 1]);
  const bars = (times: Float64Array, bar: string) => {
    const positions = new Set(Array.from(times, (timeMs) => Math.round(x(new Date(timeMs)))));
    return [...positions].map((position) => `M${position} ${bar}`).join('');
  };
  return html`<svg class="strip" viewBox="0 0 ${STRIP.width} ${STRIP.height}" preserveAspectRatio="none" aria-hidden="true"><path class="increment" d="${bars(incrementTimes, '9V20')}"/><path class="full" d="${bars(fullTimes, '2V20')}"/></svg>`;
}

/** A row of the heat map: one restore point, with the share of each cell's grains whose content is from its run. */
export interface HeatRow {
  readonly label: string;
  readonly shares: readonly number[];
}

const CELL = { width: 12, height: 14, label: 132 } as const;
/** Steps of colour; the style sheet has one class for each. */
const HEAT_STEPS = 5;

/** Where on a disk the content of each run lies: columns from the disk's beginning to its end. */
export function heatMap(rows: readonly HeatRow[], { id, title }: { id: string; title: string }): Markup {
  const columns = rows[0]?.shares.length ?? 0;
  const width = CELL.label + columns * CELL.width;
  return html`<svg viewBox="0 0 ${width} ${rows.length * CELL.height}" role="img" aria-labelledby="${id}"><title id="${id}">${title}</title>
${rows.map((row, index) => heatRow(row, index * CELL.height))}</svg>`;
}

/** Cells of one colour are one path: a disk's map stays below a few kilobytes. */
function heatRow({ label, shares }: HeatRow, y: number): Markup {
  const paths = Array.from({ length: HEAT_STEPS }, (_, step) => {
    const cells = shares.flatMap((share, column) => (stepOf(share) === step ? [column] : []));
    const d = cells
      .map(
        (column) => `M${CELL.label + column * CELL.width} ${y}h${CELL.width - 1}v${CELL.height - 1}h${1 - CELL.width}z`,
      )
      .join('');
    return d === '' ? html`` : html`<path class="heat${step}" d="${d}"/>`;
  });
  return html`<text class="tick" x="0" y="${y + 11}">${label}</text>${paths}`;
}

/** -1 for nothing; otherwise by powers of four, because most runs touch a small share of most cells. */
function stepOf(share: number): number {
  if (share <= 0) return -1;
  return Math.max(0, HEAT_STEPS - 1 - Math.floor(Math.log(1 / share) / Math.log(4)));
}
