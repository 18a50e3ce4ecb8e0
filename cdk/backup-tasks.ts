/** The task states of a backup run, and what each of them is given. */

import type { LambdaInvoke } from 'aws-cdk-lib/aws-stepfunctions-tasks';
import type { Construct } from 'constructs';
import { RUN_REQUEST_PAYLOAD } from '#lib/workflow/backup-input.ts';
import { commitPoint } from '#lib/workflow/commit-point.ts';
import { field, jsonata, WHOLE_INPUT } from '#lib/workflow/contract.ts';
import { keepFailure } from '#lib/workflow/keep-failure.ts';
import { readShard } from '#lib/workflow/read-shard.ts';
import { releaseHost } from '#lib/workflow/release-host.ts';
import { snapshotDisks } from '#lib/workflow/snapshot-disks.ts';
import { splitExtents } from '#lib/workflow/split-extents.ts';
import type { BackupFunctions } from './backup-functions.ts';
import { stepTask } from './step-task.ts';

export interface BackupTasks {
  readonly snapshot: LambdaInvoke;
  readonly split: LambdaInvoke;
  readonly reader: LambdaInvoke;
  readonly keep: LambdaInvoke;
  readonly recall: LambdaInvoke;
  readonly commit: LambdaInvoke;
  readonly release: LambdaInvoke;
}

/** The host's steps get the run's request from the execution's context: it is there on every path, after any error. */
export function backupTasks(scope: Construct, functions: BackupFunctions): BackupTasks {
  return {
    snapshot: stepTask(scope, {
      contract: snapshotDisks,
      function: functions.snapshotDisks,
      payload: RUN_REQUEST_PAYLOAD,
    }),
    split: stepTask(scope, {
      contract: splitExtents,
      function: functions.splitExtents,
      payload: { runId: jsonata(field(snapshotDisks.output, 'runId')), request: RUN_REQUEST_PAYLOAD.request },
    }),
    reader: stepTask(scope, { contract: readShard, function: functions.readShard, payload: WHOLE_INPUT }),
    keep: stepTask(scope, { contract: keepFailure, function: functions.keepFailure, payload: WHOLE_INPUT }),
    recall: stepTask(scope, {
      contract: keepFailure,
      state: 'first-failure',
      function: functions.keepFailure,
      payload: WHOLE_INPUT,
    }),
    commit: stepTask(scope, {
      contract: commitPoint,
      function: functions.commitPoint,
      payload: {
        runId: jsonata(field(splitExtents.output, 'runId')),
        request: RUN_REQUEST_PAYLOAD.request,
        budgetPassed: jsonata(field(splitExtents.output, 'budgetPassed')),
      },
    }),
    release: stepTask(scope, { contract: releaseHost, function: functions.releaseHost, payload: RUN_REQUEST_PAYLOAD }),
  };
}
