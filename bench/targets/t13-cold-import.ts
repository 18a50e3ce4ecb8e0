/** T13: how long a fresh process takes to import the reader's bundle, beside the S3 client alone, bundled alike. */

import { bundleClient } from '../clients/run-client.ts';
import { runMeasured } from '../measuring/command.ts';
import type { Outcome } from '../measuring/outcome.ts';
import { alternate, medianOf, ratio, type Sample } from '../measuring/pairs.ts';
import type { Stage } from '../stage/stage.ts';

/** A single import takes 50 ms; the fastest of so many is one that nothing else held up. */
const IMPORTS = 5;
/** What the function has in its environment. */
const FUNCTION_ENV = { VAULT_BUCKET: 'bench', VAULT_PREFIX: '', VAULT_OWNER: 'any', AWS_REGION: 'us-east-1' };

export async function measure(stage: Stage): Promise<Outcome> {
  const reader = await stage.made('reader.cjs', (path) => bundleClient('../functions/read-shard.ts', path));
  const s3Alone = await stage.made('s3-alone.cjs', (path) => bundleClient('clients/s3-alone.ts', path));
  const pairs = await alternate({ ours: () => timeImport(reader), peer: () => timeImport(s3Alone) });
  const ms = (side: readonly Sample[]) => (medianOf(side, 'seconds') * 1000).toFixed(1);
  return {
    peer: 'the S3 client alone',
    claims: [{ unit: 'x', figure: ratio(pairs, 'seconds'), bound: { atMost: 1.3 } }],
    details: [`reader ${ms(pairs.ours)} ms, S3 client ${ms(pairs.peer)} ms`],
  };
}

/** The fastest of some imports, each in a process of its own. */
async function timeImport(bundle: string): Promise<Sample> {
  const script = `const began = performance.now(); require(${JSON.stringify(bundle)}); console.log(performance.now() - began);`;
  let best: Sample = { seconds: Number.POSITIVE_INFINITY, cpuSeconds: 0, peakMib: 0 };
  for (let i = 0; i < IMPORTS; i++) {
    const { stdout, cpuSeconds, peakMib } = await runMeasured([process.execPath, '-e', script], FUNCTION_ENV);
    const seconds = Number(stdout) / 1000;
    if (seconds < best.seconds) best = { seconds, cpuSeconds, peakMib };
  }
  return best;
}
