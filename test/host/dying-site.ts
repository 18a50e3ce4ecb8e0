/** A site whose backup runs can die at any call of the store, and what has to be true after the sweep. */

import assert from 'node:assert/strict';
import { commitPoint } from '#lib/backup/commit-point.ts';
import { sweep } from '#lib/host/sweep.ts';
import { planSweep, type SweepPorts } from '#lib/host/sweep-plan.ts';
import { endSession } from '#sim/api/session-calls.ts';
import type { LoneSite } from '../fakes/lone-site.ts';
import { Crashed, type StoreFaults } from '../fakes/store-faults.ts';

const HOUR_MS = 3_600_000;

/** The next morning's clock: every run of yesterday is quiet, and sleeps are short. */
export function laterPorts(site: LoneSite, { hours = 30, alive = new Set<string>() } = {}): SweepPorts {
  return {
    ...site.ports,
    executions: { isRunning: (execution) => Promise.resolve(alive.has(execution)) },
    clock: { ...site.clock, now: () => new Date(Date.now() + hours * HOUR_MS) },
  };
}

interface MortalRun {
  readonly vm: string;
  readonly name?: string;
}

/** A run in a process of its own that dies where the faults say; nothing of it goes on. */
export function runUntilDeath(site: LoneSite, run: MortalRun, faults: StoreFaults): Promise<'died' | 'committed'> {
  return untilDeath(site, run, { faults, isDead: () => false });
}

async function untilDeath(
  site: LoneSite,
  run: MortalRun,
  { faults, isDead }: { readonly faults: StoreFaults; readonly isDead: () => boolean },
): Promise<'died' | 'committed'> {
  const healthy = site.store;
  site.store = site.bucket.store(faults);
  const input = site.request(run.vm, {}, run.name);
  try {
    const runId = await site.prepare(input);
    await site.readShards(runId);
    await commitPoint(site.ports, runId);
    await site.release(input);
    return 'committed';
  } catch (death) {
    if (!(death instanceof Crashed) && !isDead()) throw death;
    return 'died';
  } finally {
    site.store = healthy;
  }
}

/**
 * A run whose process dies at a request to the host: it does not reach the host any more, or it does and nobody hears
 * the answer. The store is lost to the process at the same moment.
 */
export async function runUntilRequest(
  site: LoneSite,
  run: MortalRun,
  death: { readonly request: number; readonly moment: 'before' | 'after' },
): Promise<'died' | 'committed'> {
  const { faults } = site.sim;
  const silence = { requests: death.request, carriesOutLast: death.moment === 'after' };
  faults.apiSilence = silence;
  const isDead = () => silence.requests < 0;
  const die = () => {
    if (isDead()) throw new Crashed(`died ${death.moment} request ${death.request}`);
  };
  try {
    return await untilDeath(site, run, { faults: { before: die, after: die }, isDead });
  } finally {
    faults.apiSilence = undefined;
    faults.lostAnswers = 0;
    endUnknownSession(site);
  }
}

/** A login whose answer nobody heard leaves a session of which nothing is written down: the host ends it after a day. */
function endUnknownSession(site: LoneSite): void {
  const { world } = site.sim;
  const known = site.objectsUnder('connections/').map(({ body }) => body.toString());
  const unknown = world.db.session.refs().filter((ref) => !known.some((text) => text.includes(ref)));
  assert.ok(unknown.length <= 1, `${unknown.length} sessions of which nothing is written down`);
  for (const session of unknown) endSession(world, session);
}

export async function sweepSite(site: LoneSite, options?: Parameters<typeof laterPorts>[1]) {
  const ports = laterPorts(site, options);
  return sweep(ports, await planSweep(ports));
}

/** Nothing of ours is left but one base for each disk at most; what others made is still there. */
export function assertHostClean(site: LoneSite, expected: { disks: number; foreign?: readonly string[] }): void {
  const { snapshots, cbtMetadata, dom0Vbds, sessions } = site.sim.counters;
  assert.deepEqual(
    { snapshots: snapshots.toSorted(), dom0Vbds, sessions },
    { snapshots: (expected.foreign ?? []).toSorted(), dom0Vbds: 0, sessions: 0 },
  );
  assert.ok(cbtMetadata.length <= expected.disks, `${cbtMetadata.length} bases for ${expected.disks} disks`);
  const left = site.objectsUnder('').map(({ key }) => key);
  assert.deepEqual(
    left.filter((key) => key.startsWith('connections/') || key.endsWith('lease.json')),
    [],
  );
  assert.deepEqual(site.bucket.uploads.under(''), []);
}
