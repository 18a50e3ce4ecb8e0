/**
 * `npm run bench` measures every target of docs/performance.md, `npm run bench T5 T12` those. Each prints what lies behind
 * its figures, then one line: target, figure, peer, bound, ok or missed, with tabs between. A miss is no failure of the
 * command: the figures of a busy machine are for people to judge.
 */

import { allHold, type Outcome, verdictLine } from './measuring/outcome.ts';
import { Stage } from './stage/stage.ts';
import { TARGETS } from './targets.ts';

const asked = process.argv.slice(2).map((word) => word.toUpperCase());
const unknown = asked.filter((name) => !TARGETS.has(name));
if (unknown.length > 0) {
  console.error(`${unknown.join(', ')} is no target; there are ${[...TARGETS.keys()].join(', ')}`);
  process.exit(2);
}
const lines: string[] = [];
let missed = 0;
await using stage = await Stage.open();
for (const name of asked.length > 0 ? asked : TARGETS.keys()) {
  const outcome = await TARGETS.get(name)?.(stage).catch(unmeasured);
  if (outcome === undefined) continue;
  for (const detail of outcome.details) console.log(`    ${detail}`);
  const line = verdictLine(name, outcome);
  console.log(line);
  lines.push(line);
  if (!allHold(outcome)) missed++;
}
if (lines.length > 1) console.log(`\n${lines.join('\n')}\n${lines.length - missed} of ${lines.length} ok`);

/** The other targets are measured all the same. */
function unmeasured(failure: unknown): Outcome {
  process.exitCode = 1;
  const reason = failure instanceof Error ? failure.message : String(failure);
  return { peer: 'not measured', claims: [], details: [reason] };
}
