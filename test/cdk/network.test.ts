import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Match } from 'aws-cdk-lib/assertions';
import { monthlyDollars } from '#cdk/endpoints.ts';
import { policiesOfOwner } from '#cdk/existing-vault.ts';
import { parseSettings } from '#cdk/settings.ts';
import { SHIPPED_PRICES } from '#lib/cost/prices.ts';
import { resolved, synthesize, testSettings } from './installation.ts';

const network = {
  vpcId: 'vpc-0123456789abcdef0',
  availabilityZones: ['eu-central-1a', 'eu-central-1b'],
  subnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
  hostCidrs: ['192.0.2.0/28'],
  s3PrefixListId: 'pl-6ea54007',
  s3RouteTableIds: ['rtb-0123456789abcdef0'],
  paidEndpoints: ['secretsmanager', 'states'],
};
const existing = {
  bucket: 'vault-of-others',
  keyArn: 'arn:aws:kms:eu-central-1:210987654321:key/5f0e4a3c-0b1d-4c2e-9f3a-6b7c8d9e0f1a',
  account: '210987654321',
};
const settings = testSettings({ network, vault: { prefix: 'backups/', existing } });
const { pipeline } = synthesize(settings);

test('functions near the hosts reach their API and NBD port and S3, and nothing else', () => {
  const groups = pipeline.findResources('AWS::EC2::SecurityGroup', {
    Properties: { GroupDescription: Match.stringLikeRegexp('to the hosts and to S3') },
  });
  const [{ Properties } = assert.fail()] = Object.values(groups);
  type Egress = {
    CidrIp?: string;
    FromPort: number;
    DestinationPrefixListId?: string;
    DestinationSecurityGroupId?: unknown;
  };
  const apart = Object.values(pipeline.findResources('AWS::EC2::SecurityGroupEgress')).map(
    (rule) => rule['Properties'] as Egress,
  );
  const egress: Egress[] = [...Properties.SecurityGroupEgress, ...apart];
  const leadsTo = ({ CidrIp, DestinationPrefixListId, DestinationSecurityGroupId, FromPort }: Egress) =>
    `${CidrIp ?? DestinationPrefixListId ?? (DestinationSecurityGroupId && 'own endpoint')}:${FromPort}`;
  assert.deepEqual([...new Set(egress.map(leadsTo))].sort(), [
    '192.0.2.0/28:10809',
    '192.0.2.0/28:443',
    'own endpoint:443',
    'pl-6ea54007:443',
  ]);
  assert.doesNotMatch(JSON.stringify(pipeline.toJSON()), /0\.0\.0\.0\/0/);
});

test('the S3 gateway endpoint is on the route tables that were named and leads to the vault alone', () => {
  const gateways = pipeline.findResources('AWS::EC2::VPCEndpoint', { Properties: { VpcEndpointType: 'Gateway' } });
  const [{ Properties } = assert.fail()] = Object.values(gateways);
  assert.deepEqual(Properties.RouteTableIds, ['rtb-0123456789abcdef0']);
  assert.deepEqual(Properties.PolicyDocument.Statement[0].Resource.map(resolved), [
    'arn:aws:s3:::vault-of-others',
    'arn:aws:s3:::vault-of-others/*',
  ]);
});

test('there is no NAT gateway, and endpoints that cost money are made only when the settings name them, with their price', () => {
  pipeline.resourceCountIs('AWS::EC2::NatGateway', 0);
  pipeline.resourcePropertiesCountIs('AWS::EC2::VPCEndpoint', { VpcEndpointType: 'Interface' }, 2);
  pipeline.hasOutput('PaidEndpoints', { Value: 'secretsmanager, states in 2 zones: 29.20 USD a month (us-east-1)' });
});

test('the price that is printed is that of the price list', () => {
  const printed = Number(/: ([\d.]+) USD/.exec(monthlyDollars(settings.network ?? assert.fail()))?.[1]);
  assert.equal(printed, 4 * 730 * SHIPPED_PRICES.prices.endpointHour.dollars);
});

test('a network names either its groups or what a group is made of, and as many zones as subnets', () => {
  const complaint = (changes: object) => {
    try {
      parseSettings({ ...testSettingsFile, network: { ...network, ...changes } }, 'test');
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.equal(complaint({}), '');
  assert.match(complaint({ s3PrefixListId: undefined }), /either hostCidrs and s3PrefixListId/);
  assert.match(complaint({ securityGroupIds: ['sg-0123456789abcdef0'] }), /either hostCidrs and s3PrefixListId/);
  assert.match(
    complaint({ hostCidrs: ['0.0.0.0/0'] }),
    /hostCidrs\.0 is "0\.0\.0\.0\/0"; give addresses of hosts as CIDR/,
  );
  assert.match(complaint({ availabilityZones: ['a'] }), /name the zone of each subnet/);
});
const testSettingsFile = { pools: testSettings().pools.map(({ otherHosts: _, nbd: __, ...pool }) => pool) };

test('with a vault that exists, functions use it and expect its owner, and no bucket is made', () => {
  pipeline.resourceCountIs('AWS::S3::Bucket', 0);
  for (const [id, { Properties }] of Object.entries(pipeline.findResources('AWS::Lambda::Function'))) {
    const { VAULT_BUCKET, VAULT_OWNER } = Properties.Environment.Variables;
    if (VAULT_BUCKET === undefined) continue;
    assert.deepEqual([VAULT_BUCKET, VAULT_OWNER], ['vault-of-others', '210987654321'], id);
  }
});

test("what the other account is asked to allow covers every request of every role, for this installation's roles alone", () => {
  const { bucketPolicy, keyPolicy } = policiesOfOwner(settings, { existing, account: '123456789012' });
  const asked = JSON.stringify({ bucketPolicy, keyPolicy });
  assert.doesNotMatch(asked, /Token/, 'it can be pasted as it is');
  const actions = Object.values(pipeline.findResources('AWS::IAM::Policy'))
    .flatMap(({ Properties }) => Properties.PolicyDocument.Statement)
    .flatMap(({ Action }: { Action: string | string[] }) => [Action].flat())
    .filter((action) => /^(s3|kms):/.test(action));
  for (const action of new Set(actions)) assert.ok(asked.includes(`"${action}"`), action);
  const allowing = [...bucketPolicy, ...keyPolicy].filter(
    (statement) => 'Effect' in statement && statement.Effect === 'Allow',
  );
  assert.equal(allowing.length, 3);
  for (const statement of allowing) {
    assert.match(
      JSON.stringify(statement),
      /"aws:PrincipalArn":"arn:aws:iam::123456789012:role\/blockferry-pipeline-\*"/,
    );
  }
  for (const refusal of ['LedgerIsNeverRemoved', 'LedgerIsNeverOverwritten', 'OtherKeysAreRefused']) {
    assert.ok(asked.includes(refusal), refusal);
  }
});
