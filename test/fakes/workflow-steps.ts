/** The steps of the backup workflow in its order, each attempt made by whoever calls: with faults, with retries, or plainly. */

import { type CommitPorts, commitPoint } from '#lib/backup/commit-point.ts';
import { readShard } from '#lib/backup/read-shard.ts';
import { releaseHost } from '#lib/backup/release-host.ts';
import { type RunRequest, snapshotDisks } from '#lib/backup/snapshot-disks.ts';
import { splitExtents } from '#lib/backup/split-extents.ts';
import { Failure } from '#lib/failure.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { Shard } from '#lib/format/plan.ts';
import type { RunId } from '#lib/units.ts';
import { commitPoint as commitContract } from '#lib/workflow/commit-point.ts';
import type { StepContract } from '#lib/workflow/contract.ts';
import { LostRace } from '#lib/workflow/failures.ts';
import { readShard as readContract } from '#lib/workflow/read-shard.ts';
import { releaseHost as releaseContract } from '#lib/workflow/release-host.ts';
import { snapshotDisks as snapshotContract } from '#lib/workflow/snapshot-disks.ts';
import { splitExtents as splitContract } from '#lib/workflow/split-extents.ts';

/** No step is called more often for the small disks of a test; one more is a loop that does not end. */
const MAX_CALLS = 200;

export type StepPorts = Parameters<typeof snapshotDisks>[0] & Parameters<typeof readShard>[0] & CommitPorts;

/** Makes one step happen, with ports of its own choice, as often as it sees fit. */
export type Attempt = <T>(contract: StepContract, step: (ports: StepPorts) => Promise<T>) => Promise<T>;

export interface StepHooks {
  /** What happens to each shard before its reader begins. */
  readonly beforeShard?: (shard: Shard) => Promise<void>;
  readonly beforeCommit?: (() => void | Promise<void>) | undefined;
}

/** Rejects with the failure that ends the run. The host is released in any case, as far as it can be. */
export async function runSteps(attempt: Attempt, input: RunRequest, hooks: StepHooks = {}): Promise<RunId> {
  try {
    const run = await prepare(attempt, input);
    await readAll(attempt, run, hooks);
    await hooks.beforeCommit?.();
    const { outcome } = await attempt(commitContract, (ports) => commitPoint(ports, run));
    if (outcome === 'lost-race') throw new LostRace('another run committed first');
    return run;
  } finally {
    await release(attempt, input);
  }
}

async function prepare(attempt: Attempt, input: RunRequest): Promise<RunId> {
  for (let call = 0; call < MAX_CALLS; call++) {
    const result = await attempt(snapshotContract, (ports) => snapshotDisks(ports, input));
    if (result.ready) return result.runId;
  }
  throw new Error('the host never became ready');
}

async function readAll(attempt: Attempt, run: RunId, { beforeShard }: StepHooks): Promise<void> {
  const lines = await attempt(splitContract, async (ports) => {
    await splitExtents(ports, run);
    return (await ports.store.get(vaultKeys.shards(run))).toString().split('\n').slice(0, -1);
  });
  for (const line of lines) {
    const shard = JSON.parse(line) as Shard;
    await beforeShard?.(shard);
    for (let call = 0; call < MAX_CALLS; call++) {
      if ((await attempt(readContract, (ports) => readShard(ports, shard))).done) break;
    }
  }
}

/** What fails here is the sweeper's: the run has its end already. */
async function release(attempt: Attempt, input: RunRequest): Promise<void> {
  try {
    for (let call = 0; call < MAX_CALLS; call++) {
      const released = await attempt(releaseContract, async (ports) => {
        const result = await releaseHost(ports, input);
        if (!result.released) await ports.clock.sleep(20);
        return result.released;
      });
      if (released) return;
    }
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
  }
}

/** Tries a step again after failures that its contract calls transient, and after those named; so often in all. */
export async function triedAgain<T>(
  contract: StepContract,
  { tries, also = [] }: { readonly tries: number; readonly also?: readonly string[] },
  step: () => Promise<T>,
): Promise<T> {
  const names = [...contract.transient, ...contract.occupied].map(({ failureName }) => failureName);
  for (let attempt = 1; ; attempt++) {
    try {
      return await step();
    } catch (failure) {
      const mayPass = failure instanceof Error && [...names, ...also].includes(failure.name);
      if (attempt === tries || !mayPass) throw failure;
    }
  }
}
