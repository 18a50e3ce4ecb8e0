/** One fault: what is done to a site, what a run has to make of it, and what then has to be true. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { RunRequest } from '#lib/backup/snapshot-disks.ts';
import { sweep } from '#lib/host/sweep.ts';
import { planSweep } from '#lib/host/sweep-plan.ts';
import { listPoints } from '#lib/restore/points.ts';
import { grainsCovering, indexAfter, type RunId } from '#lib/units.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { laterPorts } from '../host/dying-site.ts';
import type { ConnectionKind, FaultSite } from './fault-site.ts';

const GRAIN = 65_536;
/** Of its disk, changed between the full and the run that is struck. */
const SMALL = { diskGrains: 24, changedGrains: 16 };
/** More than the 16 MiB of one part: the pack of the run becomes a multipart upload. */
const LARGE = { diskGrains: 320, changedGrains: 300 };
/** As far ahead as the sweeper's clock is. */
const MORNING_MS = 30 * 3_600_000;
/** Waits for what the simulated host lets go of late. */
const HOST_LOOKS = 100;

export interface FaultRow {
  readonly on: ConnectionKind | 'host' | 'reader' | 'vault';
  readonly fault: string;
  /** How often it strikes in the run. */
  readonly strikes: string;
  /** `completed`, or the names that the failure which ends the run may have. */
  readonly outcome: 'completed' | readonly string[];
  /** Only in the full suite: the row waits longer than CI has time for. */
  readonly slow?: true;
  /** A restore is struck instead of a run; after it failed, it is begun again. */
  readonly isRestore?: true;
  /** The run writes more than one part. */
  readonly large?: true;
  /** A state of the site, which nothing counts; every other fault has to strike at least once. */
  readonly isState?: true;
  /** What somebody has to do before runs succeed again; without it nobody has to do anything. */
  readonly person?: string;
  /** Called when the first full is committed and a part of the disk has changed. */
  arrange(site: FaultSite, vm: string): void | Promise<void>;
  /** What that somebody does. */
  repair?(site: FaultSite): void | Promise<void>;
  /** Instead of one run of the workflow; rejects as a run does. */
  play?(site: FaultSite, run: RunAt): Promise<void>;
}

export interface RunAt {
  readonly input: RunRequest;
  /** Another request for the same VM, whose content is the same. */
  readonly again: () => RunRequest;
  /** The VM's disk, and what its first point restores to. */
  readonly disk: string;
  readonly image: Buffer;
}

export interface RowResult {
  readonly row: FaultRow;
  readonly outcome: string;
  /** How often it struck the run; undefined for a state. */
  readonly struck: number | undefined;
  /** From the begin of the run that was struck to its end. */
  readonly endedMs: number;
  /** From there to the next committed point; 0 when the struck run committed. */
  readonly recoveredMs: number;
  readonly leftByRun: string;
  readonly leftAfterSweep: string;
}

/** Plays a row in a vault of its own. Throws when anything that has to be true is not. */
export async function playRow(site: FaultSite, row: FaultRow, number: number): Promise<RowResult> {
  site.heal();
  site.newVault(`row-${number}/`);
  const { diskGrains, changedGrains } = row.large === true ? LARGE : SMALL;
  const disks = [{ bytes: randomBytes(diskGrains * GRAIN) }];
  const life = new Life(site, await site.lone.sim.addVm({ name: `row ${number}`, disks }));
  const image = await site.lone.diskBytes(life.disk);
  await site.backUp(await life.begin());
  life.change(changedGrains);
  await row.arrange(site, life.vm);
  const began = performance.now();
  const outcome = await outcomeOf(life.played(row, image));
  const endedMs = performance.now() - began;
  const struck = row.isState === true ? undefined : site.struck;
  assert.notEqual(struck, 0, `${row.fault} never struck`);
  const leftByRun = await leftovers(site, life);
  site.heal();
  await row.repair?.(site);
  // The faults of the simulated host heal with it: what was broken is whole again.
  const swept = await sweepNextMorning(site);
  assert.deepEqual(swept.left, [], `${row.fault}: the sweep left something`);
  const leftAfterSweep = await settled(site, life);
  assert.equal(leftAfterSweep, 'nothing', `after ${row.fault} and ${outcome}`);
  await life.checkPoints();
  let recoveredMs = 0;
  if (outcome !== 'completed') {
    const again = performance.now();
    if (row.isRestore === true) await life.played(row, image);
    else await site.backUp(await life.begin());
    recoveredMs = performance.now() - again;
    await life.checkPoints();
  }
  const points = (await listPoints(site.lone.store)).length;
  assert.ok(points >= (row.isRestore === true ? 1 : 2), `${row.fault}: ${points} points`);
  return { row, outcome, struck, endedMs, recoveredMs, leftByRun, leftAfterSweep };
}

/** Whether the row came out as it says. */
export function assertOutcome({ row, outcome }: RowResult): void {
  const allowed = row.outcome === 'completed' ? ['completed'] : row.outcome;
  assert.ok(
    allowed.includes(outcome),
    `${row.on}, ${row.fault} ${row.strikes}: ${outcome} instead of ${allowed.join(' or ')}`,
  );
}

async function outcomeOf(run: Promise<unknown>): Promise<string> {
  try {
    await run;
    return 'completed';
  } catch (failure) {
    if (!(failure instanceof Error)) throw failure;
    // A plain error is a defect, whatever the row allows.
    if (failure.name === 'Error' || failure.name.endsWith('TypeError')) throw failure;
    return failure.name;
  }
}

/** One VM with one disk, and what was on it when each of its runs began. */
class Life {
  readonly #site: FaultSite;
  readonly #vm: { readonly uuid: string; readonly vdis: readonly string[] };
  readonly #contents = new Map<RunId, Buffer>();

  constructor(site: FaultSite, vm: { readonly uuid: string; readonly vdis: readonly string[] }) {
    this.#site = site;
    this.#vm = vm;
  }

  get vm(): string {
    return this.#vm.uuid;
  }

  get disk(): string {
    return this.#vm.vdis[0] ?? '';
  }

  /** A request for a run that begins now. */
  async begin(): Promise<RunRequest> {
    const input = this.#site.lone.request(this.#vm.uuid, { readers: 1 });
    this.#contents.set(this.#site.runIdOf(input), await this.#site.lone.diskBytes(this.disk));
    return input;
  }

  change(grains: number): void {
    this.#site.lone.sim.write(this.disk, 3 * GRAIN, randomBytes(grains * GRAIN));
  }

  async played(row: FaultRow, image: Buffer): Promise<void> {
    const input = await this.begin();
    const again = () => {
      const other = this.#site.lone.request(this.#vm.uuid, { readers: 1 });
      this.#contents.set(this.#site.runIdOf(other), this.#contents.get(this.#site.runIdOf(input)) ?? Buffer.alloc(0));
      return other;
    };
    if (row.play === undefined) await this.#site.backUp(input);
    else await row.play(this.#site, { input, again, disk: this.disk, image });
  }

  /** Every entry of every ledger of this vault restores to what its run began with. */
  async checkPoints(): Promise<void> {
    const { store } = this.#site.lone;
    for await (const { key } of store.list('disks/')) {
      const [, disk, seq] = /^disks\/([^/]+)\/ledger\/(\d+)\.json$/.exec(key) ?? [];
      if (disk === undefined) continue;
      const content = await DiskContent.open(store, { disk: disk as never, seq: Number(seq) });
      const bytes = Buffer.alloc(content.diskBytes);
      await content.read(
        { first: 0, end: indexAfter(grainsCovering(bytes.length)) },
        (at, data) => void data.copy(bytes, at),
      );
      assert.ok(this.#contents.get(content.entry.run)?.equals(bytes), `point ${Number(seq)} of disk ${disk}`);
    }
  }
}

/** Sessions that nobody knows because the answer to a login was lost are the host's to collect, after a day. */
async function sweepNextMorning(site: FaultSite) {
  site.lone.sim.advanceClock(MORNING_MS);
  const ports = laterPorts(site.lone);
  return sweep(ports, await planSweep(ports));
}

async function leftovers(site: FaultSite, { disk }: Life): Promise<string> {
  const { snapshots, dom0Vbds, sessions, nbdConnections } = site.lone.sim.counters;
  const uploads: string[] = [];
  for await (const { key } of site.lone.store.listMultipartUploads('disks/')) if (key.includes(disk)) uploads.push(key);
  const found = {
    snapshots: snapshots.length,
    attachments: dom0Vbds,
    sessions,
    connections: nbdConnections,
    uploads: uploads.length,
  };
  const named = Object.entries(found).filter(([, count]) => count > 0);
  return named.length === 0 ? 'nothing' : named.map(([what, count]) => `${count} ${what}`).join(', ');
}

/** What is left when the host has had time to let go of what was closed. */
async function settled(site: FaultSite, life: Life): Promise<string> {
  let left = await leftovers(site, life);
  for (let look = 0; look < HOST_LOOKS && left !== 'nothing'; look++) {
    await site.lone.clock.sleep(20);
    left = await leftovers(site, life);
  }
  return left;
}
