/** T6: from NBD with TLS to a multipart upload over HTTPS without digest and compression, beside nbdcopy and aws. */

import { bothSides, type Outcome } from '../measuring/outcome.ts';
import { alternate } from '../measuring/pairs.ts';
import { awsVersion, uploadWithRclone } from '../stage/peer-upload.ts';
import type { Stage } from '../stage/stage.ts';
import { ReaderStage, speedAndCpu } from './whole-reader.ts';

export async function measure(stage: Stage): Promise<Outcome> {
  await using reader = await ReaderStage.open(stage, await stage.noise(1));
  const pairs = await alternate({ ours: () => reader.copy('raw'), peer: () => reader.copyWithAws('raw') });
  const rclone = await uploadWithRclone({ address: reader.source.address, sink: reader.sink });
  const bytes = { ours: reader.diskBytes, peer: reader.diskBytes };
  return {
    peer: `nbdcopy | aws s3 cp - (${await awsVersion()})`,
    claims: speedAndCpu(pairs, { speed: 1.9, cpu: 0.5 }),
    details: [
      bothSides('1 GiB of noise', pairs, bytes),
      `nbdcopy | rclone rcat, once: ${(1 / rclone.seconds).toFixed(2)} GiB/s, ${rclone.cpuSeconds.toFixed(2)} CPU s/GiB`,
    ],
  };
}
