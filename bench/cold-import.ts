/**
 * Size of every function's bundle, as it is deployed, and how long a fresh process takes to import it:
 * `node bench/cold-import.ts`. Exits with 1 when a bundle passes 600 kB or 150 ms.
 */

import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { formatTable } from '#cli/console-text.ts';
import { synthesize } from '#local/synthesis.ts';

const MAX_BUNDLE_BYTES = 600_000;
const MAX_IMPORT_MS = 150;
/** The fastest of so many is one that nothing else on the machine held up. */
const IMPORTS = 7;
const SETTINGS = {
  pools: [{ name: 'main', url: 'https://192.0.2.10', fingerprint: '00'.repeat(32), secretName: 'blockferry/main' }],
};

async function importMs(bundle: string): Promise<number> {
  const script = `const began = performance.now(); require(${JSON.stringify(bundle)}); console.log(performance.now() - began);`;
  const times: number[] = [];
  for (let i = 0; i < IMPORTS; i++) {
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', script]);
    times.push(Number(stdout));
  }
  return Math.min(...times);
}

const folder = await mkdtemp(join(tmpdir(), 'blockferry-cold-import-'));
try {
  const { functions } = await synthesize(folder, SETTINGS, 'us-east-1');
  const measured: { step: string; bytes: number; ms: number }[] = [];
  for (const { constructPath, assetDirectory } of functions.values()) {
    const bundle = join(assetDirectory, 'index.js');
    const step = basename(join(constructPath, '..'));
    measured.push({ step, bytes: (await stat(bundle)).size, ms: await importMs(bundle) });
  }
  const rows = measured
    .toSorted((a, b) => b.ms - a.ms)
    .map(({ step, bytes, ms }) => [step, (bytes / 1000).toFixed(0), ms.toFixed(1)]);
  process.stdout.write(`${formatTable(['function', 'kB', 'import ms'], rows)}\n`);
  const missed = measured.filter(({ bytes, ms }) => bytes > MAX_BUNDLE_BYTES || ms > MAX_IMPORT_MS);
  for (const { step } of missed)
    process.stdout.write(`${step} is above ${MAX_BUNDLE_BYTES / 1000} kB or ${MAX_IMPORT_MS} ms\n`);
  process.exitCode = missed.length > 0 ? 1 : 0;
} finally {
  await rm(folder, { recursive: true, force: true });
}
