/**
 * Reads an export, or random grains of it, to nothing, with the reader's own read-ahead over one or more connections.
 * Usage: read-export.ts '{"address":...,"bytes":...,"connections":1,"changed":"<path of a bitmap>"}'
 */

import { readFileSync } from 'node:fs';
import { collectRarely } from '#lib/backup/rare-collections.ts';
import { READ_GRAINS, ReadAhead } from '#lib/backup/read-ahead.ts';
import { GrainBitmap, type GrainRun } from '#lib/format/grain-bitmap.ts';
import { connectNbd } from '#lib/nbd/connect.ts';
import { Secret } from '#lib/secret.ts';
import { grainsCovering, indexAfter } from '#lib/units.ts';
import type { NbdAddress } from '../stage/nbd-source.ts';
import { report } from './spent.ts';

interface ReadExportInput {
  readonly address: NbdAddress;
  /** How much of the export to read, from its beginning. */
  readonly bytes: number;
  readonly connections: number;
  /** Memory for reads under way, on each connection; left out, the reader's own. */
  readonly ringBytes?: number;
  /** File with one bit for each grain to read; without it, all. */
  readonly changed?: string;
}

const input: ReadExportInput = JSON.parse(process.argv[2] ?? '');
const grains = grainsCovering(input.bytes);
const planned = new GrainBitmap(grains, input.changed === undefined ? undefined : readFileSync(input.changed));
if (input.changed === undefined) planned.addRun({ first: 0, end: indexAfter(grains) });

collectRarely();
void report(async () => {
  const share = Math.ceil(grains / input.connections / READ_GRAINS) * READ_GRAINS;
  const shares = Array.from({ length: input.connections }, (_, i) => readShare(i * share, (i + 1) * share));
  const bytes = await Promise.all(shares);
  return { bytes: bytes.reduce((sum, more) => sum + more, 0) };
});

async function readShare(first: number, end: number): Promise<number> {
  const { port, certificatePem, subject } = input.address;
  await using connection = await connectNbd(
    {
      address: '127.0.0.1',
      port,
      exportName: new Secret(''),
      security: { kind: 'tls', certificatePem, subject },
    },
    input.ringBytes === undefined ? {} : { maxInFlightBytes: input.ringBytes },
  );
  const ahead = new ReadAhead(connection, { diskBytes: connection.exportBytes, ringBytes: input.ringBytes });
  const runs = requests({ first, end: Math.min(end, grains) });
  let next = runs.next();
  let bytes = 0;
  for (;;) {
    while (!next.done && ahead.tryIssue(next.value)) next = runs.next();
    const read = await ahead.take();
    if (read === undefined) return bytes;
    bytes += read.bytes.length;
  }
}

function* requests(range: GrainRun): Generator<GrainRun, undefined> {
  for (const run of planned.runsIn(range)) {
    for (let first = run.first; first < run.end; first += READ_GRAINS) {
      yield { first, end: Math.min(run.end, first + READ_GRAINS) };
    }
  }
}
