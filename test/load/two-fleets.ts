/** A fleet whose every run wants all 16 connections of the host, and another fleet that begins when they are taken. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { GRAIN_BYTES } from '#lib/units.ts';
import type { Execution } from '#local/states/execution.ts';
import { LocalSite } from '../fakes/local-site.ts';
import { assertNothingLeft } from './left-behind.ts';

const HOST_CONNECTIONS = 16;
/** One shard for each disk, so that 16 readers have something to do. */
const DISKS_OF_A_LARGE_VM = 16;
const SMALL_READERS = 4;
const LOOK_MS = 20;
const LOOKS = 3_000;

export interface TwoFleetsFigures {
  readonly large: number;
  readonly small: number;
  readonly seconds: number;
  readonly connectionsPeak: number;
  readonly connections: number;
  /** Runs of the large fleet that ended after the first run of the small one: it was let in between them. */
  readonly largeAfterFirstSmall: number;
}

/** Throws when a run failed, the host had more than 16 connections, something is left, or the second fleet was kept out. */
export async function playTwoFleets({ large, small }: { large: number; small: number }): Promise<TwoFleetsFigures> {
  // An export takes a while to be plugged, so that the readers hold their connections at the same time.
  await using site = await LocalSite.start({ waitFactor: 0.02, timings: { plugMs: 400 } });
  const disk = () => ({ bytes: randomBytes(2 * GRAIN_BYTES) });
  for (let vm = 0; vm < large; vm++) {
    const disks = Array.from({ length: DISKS_OF_A_LARGE_VM }, disk);
    await site.sim.addVm({ name: `large-${vm}`, tags: ['large'], disks });
  }
  for (let vm = 0; vm < small; vm++) await site.sim.addVm({ name: `small-${vm}`, tags: ['small'], disks: [disk()] });
  const startedMs = performance.now();
  const first = await site.startFleet({ policy: 'large', select: { tags: ['large'] }, readers: HOST_CONNECTIONS });
  for (let look = 0; look < LOOKS && (await slotsTaken(site)) < HOST_CONNECTIONS; look++) await delay(LOOK_MS);
  const second = await site.startFleet({ policy: 'small', select: { tags: ['small'] }, readers: SMALL_READERS });
  await Promise.all([first.finished, second.finished]);
  const seconds = (performance.now() - startedMs) / 1000;
  for (const fleet of [first, second]) assert.equal(fleet.status, 'SUCCEEDED', `${fleet.error}: ${fleet.cause}`);
  assert.equal((await site.pointKeys()).length, large + small);
  const { nbdConnectionsPeak: connectionsPeak, nbdConnectionsTotal: connections } = site.sim.counters;
  assert.ok(connectionsPeak <= HOST_CONNECTIONS, `${connectionsPeak} connections at a time`);
  await assertNothingLeft(site, large * DISKS_OF_A_LARGE_VM + small);
  const firstSmallMs = Math.min(...endsOf(site, 'small'));
  const largeAfterFirstSmall = endsOf(site, 'large').filter((ms) => ms > firstSmallMs).length;
  assert.ok(largeAfterFirstSmall > 0, 'the second fleet had to wait until the first was done');
  return { large, small, seconds, connectionsPeak, connections, largeAfterFirstSmall };
}

async function slotsTaken(site: LocalSite): Promise<number> {
  let taken = 0;
  for await (const { key } of site.store.list('site/pools/')) if (/readers\/\d+\.json$/.test(key)) taken += 1;
  return taken;
}

/** When the runs of a policy's VMs ended. */
function endsOf(site: LocalSite, policy: string): number[] {
  return site.executions.filter((execution) => isOf(execution, policy)).map(({ stopDate }) => Number(stopDate));
}

function isOf({ stateMachineArn, input }: Execution, policy: string): boolean {
  if (!stateMachineArn.endsWith('-backup')) return false;
  return typeof input === 'object' && input !== null && 'policy' in input && input.policy === policy;
}
