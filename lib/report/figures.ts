/** How figures read in the report. */

import { type Bytes, GIB, MIB } from '#lib/units.ts';

const STEPS: readonly (readonly [number, string])[] = [
  [1024 * GIB, 'TiB'],
  [GIB, 'GiB'],
  [MIB, 'MiB'],
  [1024, 'KiB'],
];

const stepOf = (bytes: Bytes) => STEPS.find(([least]) => bytes >= least) ?? ([1, 'B'] as const);

/** Bytes of the unit in which `bytesText` would say it. */
export function unitOf(bytes: Bytes): Bytes {
  return stepOf(bytes)[0];
}

export function bytesText(bytes: Bytes): string {
  const [size, unit] = stepOf(bytes);
  const value = bytes / size;
  return `${unit === 'B' ? value : value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${unit}`;
}

/** Cents, and more digits below one cent. */
export function dollarsText(dollars: number): string {
  return `$${dollars.toFixed(dollars > 0 && dollars < 0.01 ? 5 : 2)}`;
}

/** `2026-11-21 20:52Z`. */
export function timeText(time: Date): string {
  return `${time.toISOString().slice(0, 16).replace('T', ' ')}Z`;
}

const HOUR_MS = 3_600_000;

/** `under 1 h`, `3 h`, `5 days`. */
export function ageText(ms: number): string {
  const hours = Math.floor(Math.max(0, ms) / HOUR_MS);
  if (hours < 1) return 'under 1 h';
  return hours < 72 ? `${hours} h` : `${Math.floor(hours / 24)} days`;
}

export function percentText(share: number): string {
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}

export function countText(count: number, noun: string): string {
  return `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`;
}
