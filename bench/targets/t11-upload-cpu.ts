/** T11: CPU of the upload path over HTTPS, beside the AWS SDK at its defaults. */

import { GIB, MIB } from '#lib/units.ts';
import { runClient } from '../clients/run-client.ts';
import { bothSides, type Outcome } from '../measuring/outcome.ts';
import { alternate, ratio } from '../measuring/pairs.ts';
import { BUCKET, startSink } from '../stage/sink.ts';
import type { Stage } from '../stage/stage.ts';

export async function measure(stage: Stage): Promise<Outcome> {
  await using sink = await startSink(stage);
  const input = { endpoint: sink.endpoint, bucket: BUCKET, bytes: GIB, partBytes: 8 * MIB, inFlight: 4 };
  const pairs = await alternate({
    ours: () => runClient(stage, 'clients/upload.ts', { input, env: sink.env }),
    peer: () => runClient(stage, 'clients/upload-by-sdk.ts', { input, env: sink.env }),
  });
  return {
    peer: '@aws-sdk/client-s3 at its defaults',
    claims: [{ unit: 'x CPU', figure: ratio(pairs, 'cpuSeconds'), bound: { atMost: 0.65 } }],
    details: [bothSides('1 GiB, parts of 8 MiB, 4 at once', pairs, { ours: GIB, peer: GIB })],
  };
}
