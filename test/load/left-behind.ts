/** What runs that have ended must have left on the host and in the vault: a base for each disk, and points. */

import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { LocalSite } from '../fakes/local-site.ts';

/** The host frees a connection only after it has unplugged the disk. */
const UNPLUG_LOOKS = 200;
const LOOK_MS = 50;
const WORK_IN_PROGRESS = /^site\/(connections\/|pools\/|vms\/[^/]+\/lease\.json$)/;

export async function assertNothingLeft(site: LocalSite, disks: number): Promise<void> {
  for (let look = 0; look < UNPLUG_LOOKS && site.sim.counters.nbdConnections > 0; look++) await delay(LOOK_MS);
  const { nbdConnections, sessions, snapshots, dom0Vbds, cbtMetadata } = site.sim.counters;
  assert.deepEqual(
    { nbdConnections, sessions, snapshots, dom0Vbds, bases: cbtMetadata.length },
    { nbdConnections: 0, sessions: 0, snapshots: [], dom0Vbds: 0, bases: disks },
    'the host',
  );
  const left: string[] = [];
  for await (const { key } of site.store.list('site/')) if (WORK_IN_PROGRESS.test(key)) left.push(key);
  for await (const upload of site.store.listMultipartUploads('site/')) left.push(upload.key);
  assert.deepEqual(left, [], 'the vault');
}
