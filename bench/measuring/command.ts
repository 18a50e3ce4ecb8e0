/** Runs a command and says what it took, as the kernel counted it: its own processes and all they waited for. */

import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** What one run of one side took. */
export interface Usage {
  readonly seconds: number;
  /** User and system time. */
  readonly cpuSeconds: number;
  /** The largest process's resident memory at its peak. */
  readonly peakMib: number;
  readonly stdout: string;
}

/** Nothing measured here takes longer; what does hangs. */
const COMMAND_LIMIT_MS = 300_000;
let runs = 0;

/** Throws with what the command printed when it fails. */
export async function runMeasured(command: readonly string[], env: Record<string, string> = {}): Promise<Usage> {
  const report = join(tmpdir(), `blockferry-bench-${process.pid}-${runs++}`);
  const startedMs = performance.now();
  try {
    const { stdout } = await promisify(execFile)('time', ['-o', report, '-f', '%U %S %M', ...command], {
      env: { ...process.env, ...env },
      timeout: COMMAND_LIMIT_MS,
      maxBuffer: 64 * 1024 * 1024,
    });
    const seconds = (performance.now() - startedMs) / 1000;
    const [user = 0, system = 0, peakKib = 0] = (await readFile(report, 'utf8')).trim().split(' ').map(Number);
    return { seconds, cpuSeconds: user + system, peakMib: peakKib / 1024, stdout };
  } catch (cause) {
    // What a bundle prints when it fails begins with its source, in one line.
    const complaint = cause instanceof Error && 'stderr' in cause ? String(cause.stderr) : String(cause);
    throw new Error(`${command.slice(0, 3).join(' ').slice(0, 200)} failed: ${complaint.slice(-2000)}`, { cause });
  } finally {
    await rm(report, { force: true });
  }
}
