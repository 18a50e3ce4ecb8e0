/** A reader in a process of its own that does not live to the end of its shard. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { RunRequest } from '#lib/backup/snapshot-disks.ts';
import type { Shard } from '#lib/format/plan.ts';
import type { FaultSite } from './fault-site.ts';

const READER = fileURLToPath(new URL('reader-process.ts', import.meta.url));
/** A reader of one small shard stays far below; one that hoards is ended by V8 at this. */
const HEAP_LIMIT_MIB = 128;

/** What the reader is told. */
export interface ReaderJob {
  readonly vault: FaultSite['vault'];
  readonly shard: Shard;
  /** What it does when the first bytes of the disk are there. */
  readonly next: 'wait' | 'hoard';
}

/** A run whose first reader is ended in the middle of its transfer, by a signal or by its own hunger for memory. */
export async function killedReader(site: FaultSite, input: RunRequest, by: 'signal' | 'memory'): Promise<void> {
  await site.backUp(input, (shard) => readAndDie(site, shard, by));
}

async function readAndDie(site: FaultSite, shard: Shard, by: 'signal' | 'memory'): Promise<void> {
  const job: ReaderJob = { vault: site.vault, shard, next: by === 'signal' ? 'wait' : 'hoard' };
  const flags = [`--max-old-space-size=${HEAP_LIMIT_MIB}`, READER, JSON.stringify(job)];
  const reader = spawn(process.execPath, flags, { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  const closed = once(reader, 'close');
  await Promise.race([once(reader, 'message'), closed]);
  if (by === 'signal') {
    assert.equal(site.lone.sim.counters.dom0Vbds, 1, 'the reader is in the middle of its transfer');
    reader.kill('SIGKILL');
  }
  const [code, signal] = await closed;
  assert.equal(signal, by === 'signal' ? 'SIGKILL' : 'SIGABRT', `the reader ended with ${code}`);
}
