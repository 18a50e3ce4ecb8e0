/**
 * The backup of all VMs that a policy selects, each in an execution of the backup workflow.
 *
 *   list-vms
 *       |
 *   back-up-vms      for each VM, so many at a time as the host has connections for:
 *       |              back-up-vm --any error--> vm-failed          the others go on
 *   every-vm-safe ---a VM failed, or is not in the pool---> fleet-incomplete
 *       |
 *   fleet-safe
 */

import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import {
  Choice,
  Condition,
  Fail,
  type IChainable,
  Map as MapState,
  Pass,
  ProvideItems,
  type StateMachine,
  Succeed,
} from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { field, jsonata, WHOLE_INPUT } from '#lib/workflow/contract.ts';
import { FleetIncomplete } from '#lib/workflow/failures.ts';
import { listVms } from '#lib/workflow/list-vms.ts';
import { childRun } from './child-run.ts';
import { NO_FAILURE, RUN_FAILURE, SUMMARY, SUMMARY_TEXT } from './fleet-summary.ts';
import { stepTask } from './step-task.ts';

/** The input of one backup run: what all VMs of the policy have in common, and the VM. */
const REQUEST_OF_VM = jsonata(
  `$merge([${field(listVms.output, 'request')}, { 'vm': $states.context.Map.Item.Value }])`,
);

export function fleetWorkflow(scope: Construct, using: { listVms: IFunction; backup: StateMachine }): IChainable {
  const list = stepTask(scope, { contract: listVms, function: using.listVms, payload: WHOLE_INPUT });
  const run = childRun(scope, 'back-up-vm', { machine: using.backup, outputs: NO_FAILURE });
  run.addCatch(Pass.jsonata(scope, 'vm-failed'), { outputs: RUN_FAILURE });
  const runs = MapState.jsonata(scope, 'back-up-vms', {
    items: ProvideItems.jsonata(jsonata(field(listVms.output, 'vms'))),
    jsonataItemSelector: REQUEST_OF_VM,
    jsonataMaxConcurrency: jsonata(field(listVms.output, 'vmsAtOnce')),
    outputs: SUMMARY,
  }).itemProcessor(run);
  const incomplete = Fail.jsonata(scope, 'fleet-incomplete', {
    error: FleetIncomplete.failureName,
    cause: SUMMARY_TEXT,
  });
  const verdict = Choice.jsonata(scope, 'every-vm-safe')
    .when(Condition.jsonata('{% $count($states.input.failures) = 0 %}'), Succeed.jsonata(scope, 'fleet-safe'))
    .otherwise(incomplete);
  return list.next(runs).next(verdict);
}
