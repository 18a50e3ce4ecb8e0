import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nameResource } from '#local/assembly/resource-names.ts';
import { type StackTemplate, TemplateResolver } from '#local/assembly/template.ts';

const environment = { partition: 'aws', region: 'eu-central-1', account: '123456789012' };
const stack = (stackName: string, fields: Partial<StackTemplate> = {}): StackTemplate => ({
  stackName,
  resources: new Map([['Bucket1', { type: 'AWS::S3::Bucket', properties: {} }]]),
  outputs: new Map(),
  ...fields,
});
const site = stack('Site');
const vault = stack('Vault', {
  outputs: new Map([
    ['Out', { value: { 'Fn::GetAtt': ['Bucket1', 'Arn'] }, exportName: { 'Fn::Sub': `\${AWS::StackName}:Out` } }],
    ['Loop', { value: { 'Fn::GetStackOutput': { StackName: 'Vault', OutputName: 'Loop' } }, exportName: undefined }],
  ]),
});
const resolver = new TemplateResolver({
  environment,
  stacks: [site, vault],
  namesOf: ({ stackName }, logicalId) =>
    nameResource(
      { type: 'AWS::S3::Bucket', logicalId, stackName, physicalName: `${stackName}-vault`.toLowerCase() },
      environment,
    ),
});
const resolve = (value: unknown): unknown => resolver.resolve(value, site);

test('references of one stack become names, wherever they stand', () => {
  assert.deepEqual(
    resolve({
      list: [{ Ref: 'Bucket1' }, 7, true, null],
      arn: { 'Fn::GetAtt': ['Bucket1', 'Arn'] },
      joined: { 'Fn::Join': ['/', ['s3:/', { Ref: 'Bucket1' }, { 'Fn::Join': ['', ['a', 'b']] }]] },
      sub: { 'Fn::Sub': `arn:\${AWS::Partition}:x:\${AWS::Region}:\${AWS::AccountId}:\${Bucket1.Arn}/\${!Kept}` },
      part: { 'Fn::Select': [5, { 'Fn::Split': [':', { 'Fn::GetAtt': ['Bucket1', 'Arn'] }] }] },
    }),
    {
      list: ['site-vault', 7, true, null],
      arn: 'arn:aws:s3:::site-vault',
      joined: 's3://site-vault/ab',
      sub: `arn:aws:x:eu-central-1:123456789012:arn:aws:s3:::site-vault/\${Kept}`,
      part: 'site-vault',
    },
  );
});

test('references to another stack are followed, as exports and as outputs', () => {
  assert.equal(resolve({ 'Fn::ImportValue': 'Vault:Out' }), 'arn:aws:s3:::vault-vault');
  const weak = { StackName: 'Vault', OutputName: 'Out', Region: { Ref: 'AWS::Region' } };
  assert.equal(resolve({ 'Fn::GetStackOutput': weak }), 'arn:aws:s3:::vault-vault');
});

test('what cannot be resolved is refused by name', () => {
  const refuse = (value: unknown, message: RegExp): void => {
    assert.throws(() => resolve(value), { name: 'UnresolvedReference', message });
  };
  refuse({ 'Fn::ImportValue': 'Vault:Nothing' }, /exports Vault:Nothing/);
  refuse({ 'Fn::GetStackOutput': { StackName: 'Vault', OutputName: 'Nothing' } }, /Vault\.Nothing/);
  refuse({ 'Fn::GetAtt': ['Bucket1', 'WebsiteURL'] }, /Site\.Bucket1 \(AWS::S3::Bucket\).*WebsiteURL/);
  refuse({ 'Fn::Cidr': ['10.0.0.0/8', 2] }, /Fn::Cidr/);
  refuse({ 'Fn::GetStackOutput': { StackName: 'Vault', OutputName: 'Loop' } }, /circle/);
});

test('a generated name is stable, differs between stacks, and could be a bucket', () => {
  const name = (stackName: string): string =>
    nameResource(
      { type: 'AWS::S3::Bucket', logicalId: 'Bucket83908E77', stackName, physicalName: undefined },
      environment,
    ).name;
  assert.equal(name('Vault'), name('Vault'));
  assert.notEqual(name('Vault'), name('Other'));
  assert.match(name('Vault'), /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/);
});
