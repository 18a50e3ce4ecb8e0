/** The Lambda function of one step, with a role of its own that can do what the step needs and nothing else. */

import { Aws, Duration, RemovalPolicy } from 'aws-cdk-lib';
import { Effect, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  Architecture,
  Function as LambdaFunction,
  LoggingFormat,
  RecursiveLoop,
  Runtime,
} from 'aws-cdk-lib/aws-lambda';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { EnvironmentOf, StepContract } from '#lib/workflow/contract.ts';
import { functionCode } from './function-bundles.ts';
import type { Placement } from './network.ts';

export interface StepFunctionProps<Contract extends StepContract> {
  readonly installation: string;
  readonly contract: Contract;
  readonly environment: EnvironmentOf<Contract>;
  readonly statements: readonly PolicyStatement[];
  readonly placement: Placement;
}

export class StepFunction<Contract extends StepContract> extends Construct {
  readonly function: LambdaFunction;

  constructor(scope: Construct, props: StepFunctionProps<Contract>) {
    const { contract, placement } = props;
    super(scope, contract.name);
    const logGroup = new LogGroup(this, 'Log', {
      retention: RetentionDays.THREE_MONTHS,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      description: `Blockferry step ${contract.name}`,
    });
    role.addToPolicy(writeLog(logGroup));
    for (const statement of props.statements) role.addToPolicy(statement);
    if (placement.vpc !== undefined) for (const statement of attachToVpc()) role.addToPolicy(statement);
    this.function = new LambdaFunction(this, 'Function', {
      ...placement,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      handler: 'index.handler',
      code: functionCode(contract.name),
      description: `Blockferry step ${contract.name}`,
      memorySize: contract.memoryMib,
      timeout: Duration.seconds(contract.timeoutSeconds),
      // The dimension of the function's metrics.
      environment: { ...props.environment, INSTALLATION: props.installation },
      role,
      logGroup,
      loggingFormat: LoggingFormat.JSON,
      // A loop of a function through itself would cost money until somebody notices.
      recursiveLoop: RecursiveLoop.TERMINATE,
    });
  }
}

function writeLog(logGroup: LogGroup): PolicyStatement {
  return new PolicyStatement({
    actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
    resources: [logGroup.logGroupArn],
  });
}

/** Lambda attaches the function with the function's own role; EC2 knows no narrower resource for these actions. */
function attachToVpc(): PolicyStatement[] {
  const actions = [
    'ec2:AssignPrivateIpAddresses',
    'ec2:CreateNetworkInterface',
    'ec2:DeleteNetworkInterface',
    'ec2:DescribeNetworkInterfaces',
    'ec2:DescribeSubnets',
    'ec2:UnassignPrivateIpAddresses',
  ];
  return [
    new PolicyStatement({ actions, resources: ['*'] }),
    // Calls from the function's code carry its ARN, those of the Lambda service do not.
    new PolicyStatement({
      effect: Effect.DENY,
      actions,
      resources: ['*'],
      conditions: { ArnLike: { 'lambda:SourceFunctionArn': `arn:${Aws.PARTITION}:lambda:*:*:function:*` } },
    }),
  ];
}
