/** T7: the whole reader on noise, with digest, zstd and multipart upload, beside the same of ordinary tools. */

import type { Outcome } from '../measuring/outcome.ts';
import type { Stage } from '../stage/stage.ts';
import { packsBesideTools } from './whole-reader.ts';

export async function measure(stage: Stage): Promise<Outcome> {
  return packsBesideTools(stage, await stage.noise(1), { speed: 1.8, cpu: 0.6 });
}
