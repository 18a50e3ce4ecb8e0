/** What the targets of the whole reader share: a source, a sink, and our side of the pair. */

import { statSync } from 'node:fs';
import { GIB, MIB } from '#lib/units.ts';
import { type ClientReport, runClient } from '../clients/run-client.ts';
import { bothSides, type Outcome } from '../measuring/outcome.ts';
import { alternate, type Pairs, ratio, speed } from '../measuring/pairs.ts';
import { type NbdSource, startSource } from '../stage/nbd-source.ts';
import { awsVersion, type PeerPipeline, uploadWithAws } from '../stage/peer-upload.ts';
import { BUCKET, type Sink, startSink } from '../stage/sink.ts';
import type { Stage } from '../stage/stage.ts';

/** The reader's own. */
const PART_BYTES = 16 * MIB;

export class ReaderStage implements AsyncDisposable {
  readonly stage: Stage;
  readonly source: NbdSource;
  readonly sink: Sink;
  readonly diskBytes: number;

  private constructor(stage: Stage, parts: { source: NbdSource; sink: Sink; diskBytes: number }) {
    this.stage = stage;
    this.source = parts.source;
    this.sink = parts.sink;
    this.diskBytes = parts.diskBytes;
  }

  static async open(stage: Stage, file: string): Promise<ReaderStage> {
    const source = await startSource(stage, ['file', file]);
    return new ReaderStage(stage, { source, sink: await startSink(stage), diskBytes: statSync(file).size });
  }

  /** Our reader, from its first byte to its last. */
  copy(form: 'packs' | 'raw', partBytes = PART_BYTES): Promise<ClientReport> {
    const { sink, diskBytes } = this;
    const input = { address: this.source.address, endpoint: sink.endpoint, bucket: BUCKET, diskBytes, form, partBytes };
    return runClient(this.stage, 'clients/copy-disk.ts', { input, env: sink.env });
  }

  copyWithAws(stages: PeerPipeline['stages']) {
    return uploadWithAws({ address: this.source.address, sink: this.sink, stages, folder: this.stage.folder });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.source[Symbol.asyncDispose]();
    await this.sink[Symbol.asyncDispose]();
  }
}

/** Packs beside nbdcopy, sha256sum, zstd and aws in a row. */
export async function packsBesideTools(
  stage: Stage,
  file: string,
  bounds: { speed: number; cpu: number },
): Promise<Outcome> {
  await using reader = await ReaderStage.open(stage, file);
  const pairs = await alternate({
    ours: () => reader.copy('packs'),
    peer: () => reader.copyWithAws('digestZstd'),
  });
  const gib = (reader.diskBytes / GIB).toFixed(2);
  const bytes = { ours: reader.diskBytes, peer: reader.diskBytes };
  return {
    peer: `nbdcopy | tee >(sha256sum) | zstd -1 | aws s3 cp - (${await awsVersion()})`,
    claims: speedAndCpu(pairs, bounds),
    details: [bothSides(`${gib} GiB`, pairs, bytes)],
  };
}

export function speedAndCpu(pairs: Pairs, bounds: { speed: number; cpu: number }): Outcome['claims'] {
  return [
    { unit: 'x GiB/s', figure: speed(pairs), bound: { atLeast: bounds.speed } },
    { unit: 'x CPU', figure: ratio(pairs, 'cpuSeconds'), bound: { atMost: bounds.cpu } },
  ];
}
