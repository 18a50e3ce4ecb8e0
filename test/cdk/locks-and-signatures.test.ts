import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Template } from 'aws-cdk-lib/assertions';
import { SettingsInvalid } from '#cdk/settings.ts';
import { resolved, synthesize, testSettings } from './installation.ts';

const SIGNING_ARN = 'arn:aws:kms:us-east-1:123456789012:key/00000000-0000-4000-8000-000000000001';
const locking = synthesize(testSettings({ vault: { objectLock: { mode: 'compliance' }, signing: {} } }));
const plain = synthesize();

interface Statement {
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: unknown;
}

const listOf = <T>(value: T | readonly T[]): readonly T[] => (Array.isArray(value) ? value : [value as T]);

/** Which roles are allowed an action, by the name of their step, with the resources. */
function holders({ pipeline }: { pipeline: Template }, action: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [id, { Properties }] of Object.entries(pipeline.findResources('AWS::IAM::Policy'))) {
    const allowed = (Properties.PolicyDocument.Statement as Statement[])
      .filter(({ Effect, Action }) => Effect === 'Allow' && listOf(Action).includes(action))
      .flatMap(({ Resource }) => listOf(Resource).map(resolved));
    if (allowed.length > 0) found.set(id.replace(/RoleDefaultPolicy.*$/, ''), allowed);
  }
  return found;
}

const settingOf = ({ pipeline }: { pipeline: Template }, name: string): unknown[] =>
  Object.values(pipeline.findResources('AWS::Lambda::Function'))
    .map(({ Properties }) => Properties.Environment?.Variables?.[name])
    .filter((value) => value !== undefined);

test('without the settings nothing is locked, nothing is signed, and no role is allowed to', () => {
  assert.deepEqual(settingOf(plain, 'OBJECT_LOCK'), ['off']);
  assert.deepEqual(settingOf(plain, 'SIGNING_KEY'), ['none']);
  for (const action of ['s3:PutObjectRetention', 's3:GetObjectRetention', 'kms:Sign']) {
    assert.equal(holders(plain, action).size, 0, action);
  }
  const [bucket] = Object.values(plain.vault.findResources('AWS::S3::Bucket'));
  assert.equal(bucket?.['Properties'].ObjectLockEnabled, undefined);
});

test('one setting makes the bucket with Object Lock, without a default that would lock orphans', () => {
  const [bucket] = Object.values(locking.vault.findResources('AWS::S3::Bucket'));
  assert.equal(bucket?.['Properties'].ObjectLockEnabled, true);
  assert.equal(bucket?.['Properties'].ObjectLockConfiguration, undefined);
  assert.deepEqual(settingOf(locking, 'OBJECT_LOCK'), ['compliance']);
});

test('only who writes points may set locks, and only on what points consist of', () => {
  const lockers = holders(locking, 's3:PutObjectRetention');
  assert.deepEqual([...lockers.keys()].sort(), ['commitpoint', 'readshard']);
  assert.ok(lockers.get('readshard')?.every((resource) => /disks\/\*\/(packs|indexes)\/\*$/.test(resource)));
  assert.deepEqual(
    lockers.get('commitpoint')?.filter((resource) => /expired|verified|runs|vault\.json/.test(resource)),
    [],
  );
});

test('nobody may lift a lock: no role is allowed to, and the bucket denies it to everybody', () => {
  assert.equal(holders(locking, 's3:BypassGovernanceRetention').size, 0);
  const policies = Object.values(locking.vault.findResources('AWS::S3::BucketPolicy'));
  const denials = policies
    .flatMap(({ Properties }): (Statement & { Principal: unknown })[] => Properties.PolicyDocument.Statement)
    .filter(({ Effect, Action }) => Effect === 'Deny' && listOf(Action).includes('s3:BypassGovernanceRetention'));
  assert.equal(denials.length, 1);
  assert.deepEqual(denials[0]?.Principal, { AWS: '*' });
});

test('the signing key is made for signatures alone, is kept, and only commit-point may use it', () => {
  const keys = Object.values(locking.vault.findResources('AWS::KMS::Key'));
  const signing = keys.filter(({ Properties }) => Properties.KeyUsage === 'SIGN_VERIFY');
  assert.deepEqual(
    signing.map(({ Properties, DeletionPolicy }) => [Properties.KeySpec, DeletionPolicy]),
    [['ECC_NIST_P256', 'Retain']],
  );
  assert.deepEqual([...holders(locking, 'kms:Sign').keys()], ['commitpoint']);
  assert.equal(holders(locking, 'kms:Sign').get('commitpoint')?.length, 1);
});

test('a signing key that exists is used instead, and a vault that exists has to name one', () => {
  const named = synthesize(testSettings({ vault: { signing: { keyArn: SIGNING_ARN } } }));
  assert.deepEqual(settingOf(named, 'SIGNING_KEY'), [SIGNING_ARN], 'only commit-point is told of the key');
  assert.deepEqual(holders(named, 'kms:Sign').get('commitpoint'), [SIGNING_ARN]);
  const existing = { bucket: 'their-vault', keyArn: SIGNING_ARN, account: '210987654321' };
  assert.throws(
    () => testSettings({ vault: { existing, signing: {} } }),
    (error: Error) => error instanceof SettingsInvalid && /vault.signing.*keyArn of a signing key/.test(error.message),
  );
});
