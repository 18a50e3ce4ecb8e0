/** The targets by name, in order; each is loaded when it is measured. */

import type { Outcome } from './measuring/outcome.ts';
import type { Stage } from './stage/stage.ts';

type Measure = (stage: Stage) => Promise<Outcome>;

export const TARGETS: ReadonlyMap<string, Measure> = new Map(
  [
    ['T1', 't01-read-speed'],
    ['T2', 't02-read-cpu'],
    ['T3', 't03-read-beside-vates'],
    ['T4', 't04-read-from-afar'],
    ['T5', 't05-scattered-increment'],
    ['T6', 't06-raw-reader'],
    ['T7', 't07-reader'],
    ['T8', 't08-reader-filesystem'],
    ['T9', 't09-reader-cpu'],
    ['T10', 't10-reader-memory'],
    ['T11', 't11-upload-cpu'],
    ['T12', 't12-bitmap-to-shards'],
    ['T13', 't13-cold-import'],
    ['T14', 't14-restore'],
    ['T15', 't15-serve'],
    ['SCATTERED', 'scattered'],
    ['GROWTH', 'cost-growth'],
    ['BUNDLES', 'bundles'],
  ].map(([name = '', file]): [string, Measure] => [name, async (stage) => (await load(file ?? '')).measure(stage)]),
);

async function load(file: string): Promise<{ readonly measure: Measure }> {
  return await import(`./targets/${file}.ts`);
}
