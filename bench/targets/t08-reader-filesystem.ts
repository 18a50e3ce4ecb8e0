/** T8: the whole reader on a filesystem image with holes, beside the same of ordinary tools. */

import type { Outcome } from '../measuring/outcome.ts';
import type { Stage } from '../stage/stage.ts';
import { packsBesideTools } from './whole-reader.ts';

export async function measure(stage: Stage): Promise<Outcome> {
  return packsBesideTools(stage, await stage.filesystem(2), { speed: 2.8, cpu: 0.45 });
}
