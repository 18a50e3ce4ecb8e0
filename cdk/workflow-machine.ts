/** A state machine with a role that can do what its workflow needs and nothing else. */

import { Aws, Duration, RemovalPolicy } from 'aws-cdk-lib';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { DefinitionBody, type IChainable, LogLevel, QueryLanguage, StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';

export interface WorkflowMachineProps {
  /** Known before the machine is: functions ask after its executions, and a machine with a key of its own needs it. */
  readonly stateMachineName: string;
  readonly description: string;
  readonly limitHours: number;
  readonly statements: readonly PolicyStatement[];
  readonly workflow: (scope: Construct) => IChainable;
}

export class WorkflowMachine extends Construct {
  readonly stateMachine: StateMachine;

  constructor(scope: Construct, id: string, props: WorkflowMachineProps) {
    super(scope, id);
    const { stateMachineName } = props;
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('states.amazonaws.com', {
        conditions: {
          StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID },
          ArnLike: { 'aws:SourceArn': statesArn(`stateMachine:${stateMachineName}`) },
        },
      }),
      description: props.description,
    });
    for (const statement of [...props.statements, deliverLogs()]) role.addToPolicy(statement);
    this.stateMachine = new StateMachine(this, 'StateMachine', {
      stateMachineName,
      definitionBody: DefinitionBody.fromChainable(props.workflow(this)),
      queryLanguage: QueryLanguage.JSONATA,
      timeout: Duration.hours(props.limitHours),
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

export function statesArn(resource: string): string {
  return `arn:${Aws.PARTITION}:states:${Aws.REGION}:${Aws.ACCOUNT_ID}:${resource}`;
}
