/** How figures and tables look on a terminal. */

import { type Bytes, GIB, MIB } from '#lib/units.ts';

const KIB = 1024;
const TIB = GIB * KIB;

/** `1.50 GiB`, `640 KiB`, `12 B`. */
export function formatBytes(bytes: Bytes): string {
  const steps: readonly [number, string][] = [
    [TIB, 'TiB'],
    [GIB, 'GiB'],
    [MIB, 'MiB'],
    [KIB, 'KiB'],
  ];
  const [size, unit] = steps.find(([least]) => bytes >= least) ?? [1, 'B'];
  const value = bytes / size;
  return `${unit === 'B' ? value : value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${unit}`;
}

/** `2026-11-21 20:52:00Z`. */
export function formatTime(time: Date): string {
  return time
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z/, 'Z');
}

/** `1 h 02 min`, `3 min 20 s`, `12 s`. */
export function formatDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${String(seconds % 60).padStart(2, '0')} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}

/** Columns as wide as their widest cell; figures (cells that begin with a digit) to the right. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[], isHead: boolean) =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        const figures = rows.length > 0 && rows.every((row) => /^\d[\d.,]*( [A-Za-z]+)?$/.test(row[column] ?? ''));
        return figures && !isHead ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  return [
    line(head, true),
    line(
      widths.map((width) => '-'.repeat(width)),
      true,
    ),
    ...rows.map((row) => line(row, false)),
  ].join('\n');
}
