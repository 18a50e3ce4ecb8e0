/** T14: a restore to a sparse raw file, beside parallel ranged GETs of the same bytes that are thrown away. */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { GIB, GRAIN_BYTES } from '#lib/units.ts';
import { runSource } from '../clients/run-client.ts';
import { bothSides, type Outcome } from '../measuring/outcome.ts';
import { alternate, speed } from '../measuring/pairs.ts';
import { BUCKET } from '../stage/sink.ts';
import type { Stage } from '../stage/stage.ts';
import { makePoint } from '../stage/vault-point.ts';

const DISK_BYTES = GIB;

export async function measure(stage: Stage): Promise<Outcome> {
  await using point = await makePoint(stage, { diskBytes: DISK_BYTES, noiseBytes: GRAIN_BYTES });
  const { server, disk, seq } = point;
  const input = { endpoint: server.endpoint, bucket: BUCKET, disk, seq };
  const to = join(stage.folder, 'restored');
  const pairs = await alternate({
    ours: async () => {
      await rm(to, { force: true });
      return runSource('clients/restore.ts', { input: { ...input, to }, env: server.env });
    },
    peer: () => runSource('clients/restore.ts', { input, env: server.env }),
  });
  await rm(to, { force: true });
  return {
    peer: 'parallel ranged GETs',
    claims: [{ unit: 'x GiB/s', figure: speed(pairs), bound: { atLeast: 0.8 } }],
    details: [bothSides('1 GiB of noise', pairs, { ours: DISK_BYTES, peer: DISK_BYTES })],
  };
}
