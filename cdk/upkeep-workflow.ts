/**
 * What the vault and the pools need every day beside backups. Each step runs whatever became of the other one.
 *
 *   sweep-runs
 *       |  `--any error--+
 *   verify-points <------+
 *       |  `--any error--> verdict
 *   upkeep-verdict ---any error, or a finding---> upkeep-failed
 *       |
 *   upkeep-done
 */

import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { Choice, Condition, Fail, type IChainable, Succeed } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { field, jsonata, WHOLE_INPUT } from '#lib/workflow/contract.ts';
import { VaultDamaged } from '#lib/workflow/failures.ts';
import { sweepRuns } from '#lib/workflow/sweep-runs.ts';
import { verifyPoints } from '#lib/workflow/verify-points.ts';
import { stepTask } from './step-task.ts';
import { CAUGHT, NO_ERROR } from './verdict.ts';

const DAMAGED =
  'Objects of the vault are not as they were written; blockferry verify names them and the points that need them';

export function upkeepWorkflow(scope: Construct, functions: { sweep: IFunction; verify: IFunction }): IChainable {
  const sweep = stepTask(scope, {
    contract: sweepRuns,
    function: functions.sweep,
    payload: WHOLE_INPUT,
    assign: { first: NO_ERROR },
  });
  const verify = stepTask(scope, { contract: verifyPoints, function: functions.verify, payload: WHOLE_INPUT });
  const failed = Fail.jsonata(scope, 'upkeep-failed', { error: '{% $first.error %}', cause: '{% $first.cause %}' });
  const damaged = Fail.jsonata(scope, 'vault-damaged', { error: VaultDamaged.failureName, cause: DAMAGED });
  const verdict = Choice.jsonata(scope, 'upkeep-verdict')
    .when(Condition.jsonata("{% $first.error != '' %}"), failed)
    .when(Condition.jsonata(jsonata(`${field(verifyPoints.output, 'findings')} > 0`)), damaged)
    .otherwise(Succeed.jsonata(scope, 'upkeep-done'));
  sweep.addCatch(verify, { assign: { first: jsonata(CAUGHT) } });
  verify.addCatch(verdict, { assign: { first: jsonata(`$first.error = '' ? ${CAUGHT} : $first`) } });
  return sweep.next(verify).next(verdict);
}
