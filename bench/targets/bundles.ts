/**
 * BUNDLES: every function's bundle as the CDK app makes it for deployment: its size, and how long a fresh process takes to
 * import it, median and fastest of seven, with the processor's time of it. The functions take turns, so that a slow spell
 * of the machine hits all of them; on a machine with other work the fastest and the processor's time say more.
 */

import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { synthesize } from '#local/synthesis.ts';
import { runMeasured } from '../measuring/command.ts';
import type { Outcome } from '../measuring/outcome.ts';
import { median } from '../measuring/pairs.ts';
import type { Stage } from '../stage/stage.ts';

const MAX_BUNDLE_KB = 600;
const MAX_IMPORT_MS = 150;
const IMPORTS = 7;
const SETTINGS = {
  pools: [{ name: 'main', url: 'https://192.0.2.10', fingerprint: '00'.repeat(32), secretName: 'blockferry/main' }],
};
/** What every function finds in its environment. */
const FUNCTION_ENV = { AWS_REGION: 'us-east-1', INSTALLATION: 'bench' };

interface Import {
  readonly ms: number;
  readonly cpuMs: number;
}

interface Bundle {
  readonly step: string;
  readonly file: string;
  readonly kilobytes: number;
  readonly imports: Import[];
}

export async function measure(stage: Stage): Promise<Outcome> {
  const bundles = await deployedBundles(stage.folder);
  for (let round = 0; round < IMPORTS; round++) {
    for (const { file, imports } of bundles) imports.push(await timeImport(file));
  }
  const figures = bundles.map(figuresOf).toSorted((a, b) => b.ms - a.ms);
  return {
    peer: 'the largest and the slowest function',
    claims: [
      { unit: 'kB', figure: Math.max(...figures.map(({ kilobytes }) => kilobytes)), bound: { atMost: MAX_BUNDLE_KB } },
      { unit: 'ms to import', figure: Math.max(...figures.map(({ ms }) => ms)), bound: { atMost: MAX_IMPORT_MS } },
    ],
    details: figures.map(
      ({ step, kilobytes, ms, fastestMs, cpuMs }) =>
        `${step.padEnd(16)} ${kilobytes.toFixed(0)} kB, imported in ${ms.toFixed(0)} ms, fastest ${fastestMs.toFixed(0)} ms, ${cpuMs.toFixed(0)} CPU ms`,
    ),
  };
}

async function deployedBundles(folder: string): Promise<Bundle[]> {
  const { functions } = await synthesize(folder, SETTINGS, 'us-east-1');
  return Promise.all(
    [...functions.values()].map(async ({ constructPath, assetDirectory }) => {
      const file = join(assetDirectory, 'index.js');
      const kilobytes = (await stat(file)).size / 1000;
      return { step: basename(join(constructPath, '..')), file, kilobytes, imports: [] };
    }),
  );
}

function figuresOf({ step, kilobytes, imports }: Bundle) {
  const times = imports.map(({ ms }) => ms);
  const cpuMs = median(imports.map((each) => each.cpuMs));
  return { step, kilobytes, ms: median(times), fastestMs: Math.min(...times), cpuMs };
}

async function timeImport(bundle: string): Promise<Import> {
  const script = `const began = performance.now(), before = process.cpuUsage(); require(${JSON.stringify(bundle)});
    const ms = performance.now() - began, { user, system } = process.cpuUsage(before);
    console.log(JSON.stringify({ ms, cpuMs: (user + system) / 1000 }));`;
  const { stdout } = await runMeasured([process.execPath, '-e', script], FUNCTION_ENV);
  return JSON.parse(stdout);
}
