/** The topic that people are told by, and who may publish there. */

import { Aws } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Construct } from 'constructs';
import type { Settings } from './settings.ts';

/**
 * Alarms and rules publish as services, which the topic and its key have to allow by name: a topic with a policy of its
 * own has lost the default that would let them, and the key that AWS manages for SNS cannot be opened to services at all.
 */
export function notifications(scope: Construct, { name, notify }: Settings): Topic {
  const ofThisInstallation = {
    'cloudwatch.amazonaws.com': `arn:${Aws.PARTITION}:cloudwatch:${Aws.REGION}:${Aws.ACCOUNT_ID}:alarm:${name}-*`,
    'events.amazonaws.com': `arn:${Aws.PARTITION}:events:${Aws.REGION}:${Aws.ACCOUNT_ID}:rule/${name}-*`,
  };
  const key = new Key(scope, 'AlarmKey', {
    description: 'Encrypts what Blockferry tells people: names of VMs, hosts and failures.',
    enableKeyRotation: true,
  });
  const topic = new Topic(scope, 'Alarms', { displayName: `Blockferry ${name}`, enforceSSL: true, masterKey: key });
  for (const [service, source] of Object.entries(ofThisInstallation)) {
    const allowed = {
      principals: [new ServicePrincipal(service)],
      conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID }, ArnLike: { 'aws:SourceArn': source } },
    };
    topic.addToResourcePolicy(
      new PolicyStatement({ ...allowed, actions: ['sns:Publish'], resources: [topic.topicArn] }),
    );
    // The only resource that the policy of a key can name is the key itself, which is written as a star.
    key.addToResourcePolicy(
      new PolicyStatement({ ...allowed, actions: ['kms:Decrypt', 'kms:GenerateDataKey'], resources: ['*'] }),
    );
  }
  for (const address of notify) topic.addSubscription(new EmailSubscription(address));
  return topic;
}
