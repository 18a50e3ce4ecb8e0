/** Reads 4 KiB here and there of an export without TLS, after one pass over it. Usage: random-reads.ts '{"port":...,"bytes":...}' */

import { connectNbd } from '#lib/nbd/connect.ts';
import type { NbdConnection } from '#lib/nbd/connection.ts';
import { Secret } from '#lib/secret.ts';
import { MIB } from '#lib/units.ts';
import { randomNumbers } from '../stage/changes.ts';
import { report } from './spent.ts';

const BLOCK_BYTES = 4096;
const READS = 30_000;
/** What a file system with read-ahead of its own keeps under way. */
const AT_ONCE = 16;

const input: { readonly port: number; readonly bytes: number } = JSON.parse(process.argv[2] ?? '');

void main();

async function main(): Promise<void> {
  await using connection = await connectNbd({
    address: '127.0.0.1',
    port: input.port,
    exportName: new Secret('0'),
    security: { kind: 'insecure' },
  });
  const block = Buffer.alloc(MIB);
  for (let at = 0; at < input.bytes; at += MIB) await connection.readInto(at, block);
  await report(async () => ({ bytes: await readHereAndThere(connection) }));
}

/** Answers with the number of reads. */
async function readHereAndThere(connection: NbdConnection): Promise<number> {
  const random = randomNumbers(1);
  let left = READS;
  const worker = async () => {
    const block = Buffer.alloc(BLOCK_BYTES);
    while (left-- > 0) {
      await connection.readInto(Math.floor((random() * input.bytes) / BLOCK_BYTES) * BLOCK_BYTES, block);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return READS;
}
