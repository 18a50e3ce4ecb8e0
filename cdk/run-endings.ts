/** Tells people of every run that did not end well: one message for a run, whatever it was made of. */

import { EventField, type IRuleTarget, Rule, RuleTargetInput } from 'aws-cdk-lib/aws-events';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { IStateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';

export interface RunEndingsProps {
  readonly topic: ITopic;
  readonly backup: IStateMachine;
  /** Fleet, upkeep, restore: whatever a person or a schedule starts. */
  readonly others: readonly IStateMachine[];
}

const BAD_ENDS = ['FAILED', 'TIMED_OUT', 'ABORTED'];

/**
 * Runs that a fleet started are left out, by the policy that stands in their input: the fleet's own message lists them.
 * Children of the distributed map have another state machine in their events, so that no shard sends anything.
 */
export function runEndings(scope: Construct, { topic, backup, others }: RunEndingsProps): void {
  const ended = (stateMachines: readonly IStateMachine[], input: object) => ({
    source: ['aws.states'],
    detailType: ['Step Functions Execution Status Change'],
    detail: {
      stateMachineArn: stateMachines.map(({ stateMachineArn }) => stateMachineArn),
      status: BAD_ENDS,
      ...input,
    },
  });
  new Rule(scope, 'RunEndedBadly', {
    description: 'Blockferry tells of a run of one VM that did not end well',
    eventPattern: ended([backup], { input: [{ 'anything-but': { wildcard: '*"policy":*' } }] }),
    targets: [messageTo(topic)],
  });
  new Rule(scope, 'WorkflowEndedBadly', {
    description: 'Blockferry tells of a fleet, an upkeep or a restore that did not end well',
    eventPattern: ended(others, {}),
    targets: [messageTo(topic)],
  });
}

/** Written by hand: the construct for this target lets EventBridge publish there for any account. */
function messageTo({ topicArn }: ITopic): IRuleTarget {
  const of = (field: string) => EventField.fromPath(`$.detail.${field}`);
  const input = RuleTargetInput.fromText(
    `[act] ${of('status')}: ${of('error')}: ${of('cause')} -- ${of('executionArn')} -- What to do: docs/runbook.md`,
  );
  return { bind: () => ({ id: 'People', arn: topicArn, input }) };
}
