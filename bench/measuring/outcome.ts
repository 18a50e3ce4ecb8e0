/** What a target claims, what came out, and the one line that says both. */

import { GIB } from '#lib/units.ts';
import { medianOf, type Pairs, type Sample } from './pairs.ts';

/** One figure with its bound. */
export interface Claim {
  /** What follows the figure: `x GiB/s`, `CPU s/GiB`. */
  readonly unit: string;
  readonly figure: number;
  readonly bound: { readonly atLeast: number } | { readonly atMost: number };
}

export interface Outcome {
  readonly peer: string;
  readonly claims: readonly Claim[];
  /** What lies behind the figures, a line each. */
  readonly details: readonly string[];
}

/** False also for what could not be measured. */
export function allHold({ claims }: Outcome): boolean {
  const holds = ({ figure, bound }: Claim) => ('atLeast' in bound ? figure >= bound.atLeast : figure <= bound.atMost);
  return claims.length > 0 && claims.every(holds);
}

/** `T1 figure peer target ok|missed`, with tabs between. */
export function verdictLine(target: string, outcome: Outcome): string {
  const { peer, claims } = outcome;
  const figures = claims.map(({ figure, unit }) => `${digits(figure)} ${unit}`).join(', ');
  const bounds = claims.map(({ bound, unit }) =>
    'atLeast' in bound ? `>= ${bound.atLeast} ${unit}` : `<= ${bound.atMost} ${unit}`,
  );
  return [target, figures, peer, bounds.join(', '), allHold(outcome) ? 'ok' : 'missed'].join('\t');
}

function digits(figure: number): string {
  return figure >= 100 ? figure.toFixed(0) : figure.toFixed(2);
}

/** The medians of both sides for so many bytes. */
export function bothSides(what: string, pairs: Pairs, bytes: { ours: number; peer: number }): string {
  return `${what}: ours ${describe(pairs.ours, bytes.ours)}; peer ${describe(pairs.peer, bytes.peer)}`;
}

function describe(samples: readonly Sample[], bytes: number): string {
  const gib = bytes / GIB;
  const [seconds, cpu, peak] = (['seconds', 'cpuSeconds', 'peakMib'] as const).map((field) => medianOf(samples, field));
  return `${(gib / (seconds ?? 0)).toFixed(2)} GiB/s, ${((cpu ?? 0) / gib).toFixed(2)} CPU s/GiB, ${(peak ?? 0).toFixed(0)} MiB`;
}
