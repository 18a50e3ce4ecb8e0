/** Names resources that were never created: what `Ref` and `Fn::GetAtt` answer for them. */

import { createHash } from 'node:crypto';
import type { Environment, ResourceNames } from './template.ts';

interface Resource {
  readonly type: string;
  readonly logicalId: string;
  readonly stackName: string;
  /** The caller's choice, or the name that the template demands. */
  readonly physicalName: string | undefined;
}

/** Which resources have an ARN in the place of `Ref`, and what stands after the account. */
interface Naming {
  readonly service: string;
  readonly resourcePrefix: string;
  readonly ref: 'arn' | 'name';
  /** S3 leaves region and account out of its ARNs. */
  readonly global?: true;
  readonly attributes?: (names: { arn: string; name: string }) => Readonly<Record<string, string>>;
}

const NAMINGS: Readonly<Record<string, Naming>> = {
  'AWS::Lambda::Function': { service: 'lambda', resourcePrefix: 'function:', ref: 'name' },
  'AWS::StepFunctions::StateMachine': {
    service: 'states',
    resourcePrefix: 'stateMachine:',
    ref: 'arn',
    attributes: ({ name }) => ({ Name: name }),
  },
  'AWS::S3::Bucket': {
    service: 's3',
    resourcePrefix: '',
    ref: 'name',
    global: true,
    attributes: ({ name }) => ({ DomainName: `${name}.s3.amazonaws.com` }),
  },
  'AWS::SecretsManager::Secret': {
    service: 'secretsmanager',
    resourcePrefix: 'secret:',
    ref: 'arn',
    attributes: ({ arn }) => ({ Id: arn }),
  },
  'AWS::KMS::Key': {
    service: 'kms',
    resourcePrefix: 'key/',
    ref: 'name',
    attributes: ({ name }) => ({ KeyId: name }),
  },
  'AWS::IAM::Role': { service: 'iam', resourcePrefix: 'role/', ref: 'name' },
  'AWS::SNS::Topic': {
    service: 'sns',
    resourcePrefix: '',
    ref: 'arn',
    attributes: ({ name }) => ({ TopicName: name, TopicArn: name }),
  },
  'AWS::SQS::Queue': {
    service: 'sqs',
    resourcePrefix: '',
    ref: 'name',
    attributes: ({ name }) => ({ QueueName: name }),
  },
  'AWS::Logs::LogGroup': { service: 'logs', resourcePrefix: 'log-group:', ref: 'name' },
};

/** Lower case because a bucket's name must be; the digest keeps cut names apart, as CloudFormation's suffix does. */
function generatedName(resource: Resource): string {
  const digest = createHash('sha256').update(`${resource.stackName}/${resource.logicalId}`).digest('hex').slice(0, 8);
  const readable = `${resource.stackName}-${resource.logicalId}`.toLowerCase().replaceAll(/[^a-z0-9-]/g, '');
  return `${readable.slice(0, 48)}-${digest}`;
}

/** The same answer for the same resource every time. Resources of other types are named like roles without an ARN. */
export function nameResource(resource: Resource, environment: Environment): ResourceNames & { readonly name: string } {
  const name = resource.physicalName ?? generatedName(resource);
  const naming = NAMINGS[resource.type];
  if (naming === undefined) return { name, ref: name, attributes: {} };
  const { partition, region, account } = environment;
  const place = naming.global ? '::' : `${region}:${account}`;
  const arn = name.startsWith('arn:')
    ? name
    : `arn:${partition}:${naming.service}:${place}${naming.global ? '' : ':'}${naming.resourcePrefix}${name}`;
  return {
    name,
    ref: naming.ref === 'arn' ? arn : name,
    attributes: { Arn: arn, ...naming.attributes?.({ arn, name }) },
  };
}
