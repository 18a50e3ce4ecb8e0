/** What the steps that talk to a pool may do beside the vault: read its credential, ask whether other runs live. */

import { Aws, Stack } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import type { Settings } from './settings.ts';

/** Secrets Manager ends a secret's ARN with a dash and six characters that its name does not tell. */
export function readSecrets(scope: Construct, pools: Settings['pools']): PolicyStatement {
  const arn = (name: string) =>
    Stack.of(scope).formatArn({ service: 'secretsmanager', resource: `secret:${name}-??????` });
  return new PolicyStatement({
    actions: ['secretsmanager:GetSecretValue'],
    resources: pools.map(({ secretName }) => arn(secretName)),
  });
}

/** By name instead of by reference: the state machine refers to the functions, so they cannot refer to it. */
export function askAfterExecutions(...stateMachineNames: readonly string[]): PolicyStatement {
  return new PolicyStatement({
    actions: ['states:DescribeExecution'],
    resources: stateMachineNames.map(
      (name) => `arn:${Aws.PARTITION}:states:${Aws.REGION}:${Aws.ACCOUNT_ID}:execution:${name}:*`,
    ),
  });
}
