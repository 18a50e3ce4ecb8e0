/** T12: from the host's changed blocks to shards, for any pattern of changes: time, and memory beyond the answer's own. */

import { type ClientReport, runClient } from '../clients/run-client.ts';
import type { SplitInput } from '../clients/split-bitmap.ts';
import type { Claim, Outcome } from '../measuring/outcome.ts';
import { median, PAIRS } from '../measuring/pairs.ts';
import type { Stage } from '../stage/stage.ts';

const PATTERNS: readonly SplitInput['pattern'][] = ['none', 'all', 'alternating', 'random', 'sparse'];
const BOUNDS = [
  { tib: 2, atMostMs: 50 },
  { tib: 16, atMostMs: 300 },
];
const EXTRA_MIB = 64;

interface SplitReport extends ClientReport {
  readonly extraMib: number;
}

export async function measure(stage: Stage): Promise<Outcome> {
  const claims: Claim[] = [];
  const details: string[] = [];
  let extraMib = 0;
  for (const { tib, atMostMs } of BOUNDS) {
    const medians: number[] = [];
    for (const pattern of PATTERNS) {
      const runs = await repeated(() => runClient(stage, 'clients/split-bitmap.ts', { input: { tib, pattern } }));
      const ms = median(runs.map(({ seconds }) => seconds * 1000));
      medians.push(ms);
      extraMib = Math.max(extraMib, ...runs.map((run) => run.extraMib));
      details.push(`${tib} TiB, ${pattern}: ${ms.toFixed(1)} ms`);
    }
    claims.push({ unit: `ms for ${tib} TiB`, figure: Math.max(...medians), bound: { atMost: atMostMs } });
  }
  claims.push({ unit: 'MiB extra', figure: extraMib, bound: { atMost: EXTRA_MIB } });
  return { peer: 'absolute', claims, details };
}

async function repeated(run: () => Promise<ClientReport>): Promise<SplitReport[]> {
  const reports: SplitReport[] = [];
  // The clients of this target report what they held as well.
  for (let i = 0; i < PAIRS; i++) reports.push((await run()) as SplitReport);
  return reports;
}
