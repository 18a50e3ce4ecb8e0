/** One line of a terminal that tells how far a restore is, how fast it goes and how long it will take. */

import type { RestoreProgress } from '#lib/restore/restore-disk.ts';
import { formatBytes, formatDuration } from './console-text.ts';

/** Between two lines: a terminal shows no more, and drawing must not cost what restoring needs. */
const REDRAW_MS = 200;

export function progressLine(startedMs: number): (progress: RestoreProgress) => void {
  let drawnMs = 0;
  return ({ doneBytes, dataBytes, writtenBytes }) => {
    const nowMs = Date.now();
    if (nowMs - drawnMs < REDRAW_MS && doneBytes < dataBytes) return;
    drawnMs = nowMs;
    const tookMs = Math.max(1, nowMs - startedMs);
    const leftMs = doneBytes === 0 ? 0 : (tookMs / doneBytes) * Math.max(0, dataBytes - doneBytes);
    const percent = Math.floor((100 * doneBytes) / Math.max(1, dataBytes));
    const rate = formatBytes(Math.round((writtenBytes * 1000) / tookMs));
    const line = `${percent} % of ${formatBytes(dataBytes)} data, ${rate}/s, ${formatDuration(leftMs)} left`;
    process.stderr.write(doneBytes < dataBytes ? `\r\x1b[K${line}` : '\r\x1b[K');
  };
}
