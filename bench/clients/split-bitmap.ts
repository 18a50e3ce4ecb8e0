/**
 * From the host's answer, a bitmap in base64, to the lines of shards.jsonl, in a process of its own.
 * Usage: split-bitmap.ts '{"tib":2,"pattern":"alternating"}'
 */

import { cutShards, encodeShards } from '#lib/backup/shards.ts';
import { GrainBitmap } from '#lib/format/grain-bitmap.ts';
import { PlannedGrains } from '#lib/format/planned-grains.ts';
import { GIB, GRAIN_BYTES, parseDiskId, parseRunId } from '#lib/units.ts';
import { randomNumbers } from '../stage/changes.ts';
import { report } from './spent.ts';

/** What a byte of the bitmap is in each pattern. */
const PATTERNS = {
  none: () => 0x00,
  all: () => 0xff,
  alternating: () => 0xaa,
  random: (random: () => number) => Math.floor(random() * 256),
  sparse: (random: () => number) => (random() < 0.08 ? 1 << Math.floor(random() * 8) : 0),
} as const;

export interface SplitInput {
  readonly tib: number;
  readonly pattern: keyof typeof PATTERNS;
}

const READERS = 16;
const input: SplitInput = JSON.parse(process.argv[2] ?? '');
const grains = (input.tib * 1024 * GIB) / GRAIN_BYTES;
const answer = madeAnswer();
const before = process.resourceUsage().maxRSS;

void report(async () => {
  const planned = new PlannedGrains(new GrainBitmap(grains, Buffer.from(answer, 'base64')));
  const disk = parseDiskId('d15c0000-0000-4000-8000-000000000001');
  const shards = cutShards(parseRunId('00000000000000b1'), [{ disk, planned }], READERS);
  const lines = encodeShards(shards);
  const extraMib = (process.resourceUsage().maxRSS - before) / 1024;
  return { shards: shards.length, bytes: lines.length, extraMib };
});

function madeAnswer(): string {
  const random = randomNumbers(1);
  const bits = Buffer.alloc(grains / 8);
  for (let at = 0; at < bits.length; at++) bits[at] = PATTERNS[input.pattern](random);
  return bits.toString('base64');
}
