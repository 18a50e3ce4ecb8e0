/**
 * The reader's pipeline for one part of a shard: planned grains -> pipelined reads -> zero and unchanged elimination ->
 * frames -> pack. Memory is bounded at every arrow.
 */

import type { GrainBitmap, GrainRun } from '#lib/format/grain-bitmap.ts';
import { grainDigest, isZero } from '#lib/format/grain-content.ts';
import { OUTCOME_DATA, OUTCOME_UNCHANGED, OUTCOME_ZERO, Outcomes } from '#lib/format/receipt.ts';
import { type Bytes, GRAIN_BYTES, type GrainCount, type GrainIndex, indexAfter } from '#lib/units.ts';
import type { BaseContent } from './base-content.ts';
import type { BlockSource } from './block-source.ts';
import type { PackWriter } from './pack-writer.ts';
import { type CompletedRead, READ_GRAINS, ReadAhead } from './read-ahead.ts';

export interface PartJob {
  readonly source: BlockSource;
  readonly diskBytes: Bytes;
  /** Planned grains from `first` on: bit 0 stands for grain `first`. */
  readonly planned: GrainBitmap;
  readonly first: GrainIndex;
  readonly base: BaseContent | undefined;
  readonly writer: PackWriter;
  /** Asked before each read is issued; true means: finish what is under way and stop. */
  readonly outOfTime: () => boolean;
}

export interface CopiedPart {
  /** Where the part ends: behind the last planned grain when all of them were copied. */
  readonly end: GrainIndex;
  readonly counts: { readonly data: GrainCount; readonly zero: GrainCount; readonly unchanged: GrainCount };
  readonly outcomes: string;
  readonly nbdBytes: Bytes;
  readonly nbdRequests: number;
}

export async function copyPart(job: PartJob): Promise<CopiedPart> {
  const ahead = new ReadAhead(job.source, job);
  const tally = new Tally(job.planned.count());
  const reads = new PlannedReads(job);
  for (;;) {
    while (reads.next !== undefined && ahead.tryIssue(reads.next)) reads.advance();
    const read = await ahead.take();
    if (read === undefined) break;
    await copyRead(job, read, tally);
  }
  return { end: reads.end, ...tally.result() };
}

/** Runs of planned grains cut at the borders of 1 MiB blocks of the disk, until they or the time are used up. */
class PlannedReads {
  readonly #job: PartJob;
  readonly #runs: Iterator<GrainRun>;
  /** What is to be issued next; undefined at the end. */
  next: GrainRun | undefined;
  /** Where the part ends. */
  end: GrainIndex;

  constructor(job: PartJob) {
    this.#job = job;
    this.#runs = blockRuns(job);
    this.end = job.first + job.planned.grains;
    this.next = this.#runs.next().value;
  }

  /** Time is looked at only where a new block begins: stopping within one would split a window between two packs. */
  advance(): void {
    const issued = this.next;
    const following: GrainRun | undefined = this.#runs.next().value;
    this.next = following;
    if (following === undefined || issued === undefined || blockOf(following) === blockOf(issued)) return;
    if (!this.#job.outOfTime()) return;
    this.end = blockOf(following) * READ_GRAINS;
    this.next = undefined;
  }
}

const blockOf = (run: GrainRun) => Math.floor(run.first / READ_GRAINS);

function* blockRuns({ planned, first }: PartJob): Generator<GrainRun, undefined> {
  for (const run of planned.runsIn({ first: 0, end: indexAfter(planned.grains) })) {
    const end = first + run.end;
    for (let at = first + run.first; at < end; ) {
      const cut = Math.min(end, (Math.floor(at / READ_GRAINS) + 1) * READ_GRAINS);
      yield { first: at, end: cut };
      at = cut;
    }
  }
}

async function copyRead({ base, writer }: PartJob, read: CompletedRead, tally: Tally): Promise<void> {
  tally.read(read.bytes.length);
  await base?.prepare(read.run);
  for (let grain = read.run.first; grain < read.run.end; grain++) {
    const at = (grain - read.run.first) * GRAIN_BYTES;
    const bytes = read.bytes.subarray(at, at + GRAIN_BYTES);
    if (isZero(bytes)) {
      tally.add(OUTCOME_ZERO);
      continue;
    }
    const digest = grainDigest(bytes);
    if (base?.digestOf(grain)?.equals(digest)) {
      tally.add(OUTCOME_UNCHANGED);
      continue;
    }
    await writer.add(grain, { bytes, digest });
    tally.add(OUTCOME_DATA);
  }
}

/** Counts outcomes in disk order. */
class Tally {
  readonly #outcomes: Outcomes;
  readonly #counts = [0, 0, 0];
  #grains = 0;
  #bytes = 0;
  #requests = 0;

  constructor(planned: GrainCount) {
    this.#outcomes = new Outcomes(planned);
  }

  read(bytes: Bytes): void {
    this.#bytes += bytes;
    this.#requests += 1;
  }

  add(outcome: number): void {
    this.#outcomes.set(this.#grains++, outcome);
    this.#counts[outcome] = (this.#counts[outcome] ?? 0) + 1;
  }

  result(): Omit<CopiedPart, 'end'> {
    const [data = 0, zero = 0, unchanged = 0] = this.#counts;
    return {
      counts: { data, zero, unchanged },
      outcomes: this.#outcomes.encode(this.#grains),
      nbdBytes: this.#bytes,
      nbdRequests: this.#requests,
    };
  }
}
