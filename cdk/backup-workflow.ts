/**
 * The backup of one VM. Whatever happens inside `backup`, release-host comes next; the first error decides the end.
 *
 *   backup   snapshot-disks <--not ready-- wait
 *                 | ready
 *            split-extents ---no shard---+
 *                 |                      |
 *            read-shards                 |       for each shard: read-shard --more left--> read-shard
 *                 |                      |
 *            commit-point <--------------+
 *                 |     `--lost race, any error on the way--+
 *                 | committed                               |
 *            release-host <--not released-- wait            |
 *                 |  `<-------------------------------------+
 *              verdict ---any error, or something left on the host---> Fail
 *                 |  `---another run is at work on the VM---> Succeed, without a point
 *              Succeed
 */

import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { Choice, Condition, type IChainable, Parallel, Succeed } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { commitPoint } from '#lib/workflow/commit-point.ts';
import { field, jsonata } from '#lib/workflow/contract.ts';
import { releaseHost } from '#lib/workflow/release-host.ts';
import { snapshotDisks } from '#lib/workflow/snapshot-disks.ts';
import { splitExtents } from '#lib/workflow/split-extents.ts';
import type { BackupFunctions } from './backup-functions.ts';
import { backupTasks } from './backup-tasks.ts';
import { shardMap } from './shard-map.ts';
import { stepLoop } from './step-loop.ts';
import { BACKED_UP, lostRace, NOT_BACKED_UP, NOT_RELEASED, verdict } from './verdict.ts';

const anyShard = Condition.jsonata(jsonata(`${field(splitExtents.output, 'shards')} > 0`));
const raceLost = Condition.jsonata(jsonata(`${field(commitPoint.output, 'outcome')} = 'lost-race'`));

export function backupWorkflow(scope: Construct, using: { functions: BackupFunctions; bucket: IBucket }): IChainable {
  const { snapshot, split, reader, keep, recall, commit, release } = backupTasks(scope, using.functions);
  const end = verdict(scope);

  const committed = Choice.jsonata(scope, 'point-committed')
    .when(raceLost, lostRace(scope))
    .otherwise(Succeed.jsonata(scope, 'committed'));
  const read = Choice.jsonata(scope, 'anything-changed')
    .when(anyShard, shardMap(scope, { bucket: using.bucket, reader, keep, recall }).next(commit))
    .otherwise(commit.next(committed));
  const backup = Parallel.jsonata(scope, 'backup', { assign: BACKED_UP });
  backup.branch(stepLoop(scope, snapshot, { done: field(snapshotDisks.output, 'ready'), next: split.next(read) }));
  backup.addCatch(release, { assign: NOT_BACKED_UP });
  release.addCatch(end, { assign: NOT_RELEASED });
  return backup.next(stepLoop(scope, release, { done: field(releaseHost.output, 'released'), next: end }));
}
