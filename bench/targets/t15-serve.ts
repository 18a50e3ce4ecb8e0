/**
 * T15: nbdcopy from a point that is served over NBD out of the vault, with nothing in its cache, beside nbdcopy from
 * nbdkit's file plugin over the same content; then random reads of 4 KiB of what the cache holds.
 */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { GIB, GRAIN_BYTES, MIB } from '#lib/units.ts';
import { startNbdkit } from '../../test/servers/nbd-servers.ts';
import { runClient } from '../clients/run-client.ts';
import { runMeasured } from '../measuring/command.ts';
import { bothSides, type Outcome } from '../measuring/outcome.ts';
import { alternate, median, PAIRS, type Sample, speed } from '../measuring/pairs.ts';
import { BUCKET } from '../stage/sink.ts';
import type { Stage } from '../stage/stage.ts';
import { makePoint, type VaultPoint } from '../stage/vault-point.ts';

const DISK_BYTES = GIB;
/** Fits into the cache of the server, so that after one pass all of it is warm. */
const WARM_BYTES = 128 * MIB;

export async function measure(stage: Stage): Promise<Outcome> {
  await using point = await makePoint(stage, { diskBytes: DISK_BYTES, noiseBytes: GRAIN_BYTES });
  await using peer = await startNbdkit({ plugin: ['file', await stage.noise(1)] });
  const pairs = await alternate({
    ours: async () => {
      await using served = await serve(point);
      return await copyAway(served.uri);
    },
    peer: () => copyAway(`nbd://127.0.0.1:${peer.port}`),
  });
  const readsPerSecond = await randomReads(stage, point);
  return {
    peer: 'nbdkit file',
    claims: [
      { unit: 'x GiB/s', figure: speed(pairs), bound: { atLeast: 0.3 } },
      { unit: 'random reads per second', figure: readsPerSecond, bound: { atLeast: 5000 } },
    ],
    details: [bothSides('nbdcopy, 1 GiB of noise', pairs, { ours: DISK_BYTES, peer: DISK_BYTES })],
  };
}

function copyAway(uri: string): Promise<Sample> {
  return runMeasured(['nbdcopy', uri, 'null:']);
}

async function randomReads(stage: Stage, point: VaultPoint): Promise<number> {
  await using served = await serve(point);
  const input = { port: Number(new URL(served.uri).port), bytes: WARM_BYTES };
  const rates: number[] = [];
  for (let run = 0; run < PAIRS; run++) {
    const { bytes, seconds } = await runClient(stage, 'clients/random-reads.ts', { input });
    rates.push(bytes / seconds);
  }
  return median(rates);
}

async function serve({ server, disk, seq }: VaultPoint) {
  const input = { endpoint: server.endpoint, bucket: BUCKET, disk, seq };
  const script = join(import.meta.dirname, '..', 'clients', 'serve.ts');
  const child = fork(script, [JSON.stringify(input)], { env: { ...process.env, ...server.env } });
  const [uri]: unknown[] = await once(child, 'message');
  return {
    uri: `${uri}/0`,
    async [Symbol.asyncDispose]() {
      const exited = once(child, 'exit');
      child.disconnect();
      await exited;
    },
  };
}
