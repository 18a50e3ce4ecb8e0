/** The state machine of the backup workflow, with a role that can do what the workflow needs and nothing else. */

import { Aws, Duration, RemovalPolicy } from 'aws-cdk-lib';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { DefinitionBody, LogLevel, QueryLanguage, StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { vaultPatterns } from '#lib/format/keys.ts';
import { RUN_LIMIT_HOURS } from '#lib/workflow/backup-input.ts';
import type { BackupFunctions } from './backup-functions.ts';
import { backupWorkflow } from './backup-workflow.ts';

import { keyStatement, type VaultPlace } from './vault-access.ts';

export interface BackupMachineProps {
  /** Known before the machine is: functions ask after its executions, and a machine with a key of its own needs it. */
  readonly stateMachineName: string;
  readonly functions: BackupFunctions;
  readonly bucket: IBucket;
  readonly place: VaultPlace;
}

export class BackupMachine extends Construct {
  readonly stateMachine: StateMachine;

  constructor(scope: Construct, props: BackupMachineProps) {
    super(scope, 'Backup');
    const { stateMachineName, functions, bucket } = props;
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('states.amazonaws.com', {
        conditions: {
          StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID },
          ArnLike: { 'aws:SourceArn': statesArn(`stateMachine:${stateMachineName}`) },
        },
      }),
      description: 'Blockferry backup workflow',
    });
    for (const statement of statementsOf(props)) role.addToPolicy(statement);
    this.stateMachine = new StateMachine(this, 'StateMachine', {
      stateMachineName,
      definitionBody: DefinitionBody.fromChainable(backupWorkflow(this, { functions, bucket })),
      queryLanguage: QueryLanguage.JSONATA,
      timeout: Duration.hours(RUN_LIMIT_HOURS),
      // What the constructs would grant by themselves is the whole bucket, and nothing of its key.
      role: role.withoutPolicyUpdates(),
      logs: {
        destination: new LogGroup(this, 'Log', {
          // Other names count against the size limit of the account's policy for log delivery.
          logGroupName: `/aws/vendedlogs/states/${stateMachineName}`,
          retention: RetentionDays.THREE_MONTHS,
          removalPolicy: RemovalPolicy.DESTROY,
        }),
        level: LogLevel.ALL,
        includeExecutionData: false,
      },
    });
    this.stateMachine.node.addDependency(role);
  }
}

function statementsOf({ stateMachineName, functions, place }: BackupMachineProps): PolicyStatement[] {
  const object = (pattern: string) => `${place.bucketArn}/${place.prefix}${pattern}`;
  return [
    new PolicyStatement({
      actions: ['lambda:InvokeFunction'],
      resources: Object.values(functions).map((step: IFunction) => step.functionArn),
    }),
    // A distributed map starts its children as executions of the machine itself.
    new PolicyStatement({
      actions: ['states:StartExecution'],
      resources: [statesArn(`stateMachine:${stateMachineName}`)],
    }),
    new PolicyStatement({
      actions: ['states:DescribeExecution', 'states:RedriveExecution', 'states:StopExecution'],
      resources: [statesArn(`execution:${stateMachineName}:*`), statesArn(`execution:${stateMachineName}/*:*`)],
    }),
    new PolicyStatement({ actions: ['s3:GetObject'], resources: [object(vaultPatterns.shards)] }),
    new PolicyStatement({
      actions: ['s3:AbortMultipartUpload', 's3:GetObject', 's3:ListMultipartUploadParts', 's3:PutObject'],
      resources: [object(vaultPatterns.results)],
    }),
    keyStatement(place),
    deliverLogs(),
  ];
}

/** Log delivery is set up for the account, not for a group: none of these actions knows a narrower resource. */
function deliverLogs(): PolicyStatement {
  return new PolicyStatement({
    actions: [
      'logs:CreateLogDelivery',
      'logs:DeleteLogDelivery',
      'logs:DescribeLogGroups',
      'logs:DescribeResourcePolicies',
      'logs:GetLogDelivery',
      'logs:ListLogDeliveries',
      'logs:PutResourcePolicy',
      'logs:UpdateLogDelivery',
    ],
    resources: ['*'],
  });
}

function statesArn(resource: string): string {
  return `arn:${Aws.PARTITION}:states:${Aws.REGION}:${Aws.ACCOUNT_ID}:${resource}`;
}
