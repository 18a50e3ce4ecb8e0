/**
 * Reads the same as clients/read-export.ts with Xen Orchestra's client: whole blocks, each that holds a wanted grain.
 * Usage: read-with-vates.mjs '{"address":...,"bytes":...,"connections":1,"blockBytes":...,"inFlight":10,"changed":...}'
 */

import { readFileSync } from 'node:fs';
import MultiNbdClient from '@vates/nbd-client/multi.mjs';
import { report } from '../clients/spent.ts';

const GRAIN_BYTES = 65_536;
const input = JSON.parse(process.argv[2]);
const { port, certificatePem } = input.address;
const changed = input.changed === undefined ? undefined : readFileSync(input.changed);

function* blocks() {
  const grainsInBlock = input.blockBytes / GRAIN_BYTES;
  for (let index = 0; index * input.blockBytes < input.bytes; index++) {
    if (changed === undefined || holdsChange(index * grainsInBlock, grainsInBlock))
      yield { index, size: input.blockBytes };
  }
}

/** Bit 0 of the disk is the most significant bit of byte 0. */
function holdsChange(first, count) {
  for (let grain = first; grain < first + count; grain++) {
    if (((changed[grain >>> 3] ?? 0) & (0x80 >>> (grain & 7))) !== 0) return true;
  }
  return false;
}

void report(async () => {
  const settings = { address: '127.0.0.1', port, exportname: '', cert: certificatePem };
  const options = { nbdConcurrency: input.connections, readAhead: input.inFlight };
  const client = new MultiNbdClient([settings], options);
  await client.connect();
  let bytes = 0;
  for await (const block of client.readBlocks(blocks)) bytes += block.length;
  await client.disconnect();
  return { bytes };
});
