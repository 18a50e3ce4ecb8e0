import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Match, type Template } from 'aws-cdk-lib/assertions';
import { RUN_LIMIT_HOURS } from '#lib/workflow/backup-input.ts';
import { FUNCTIONS, MACHINE_ARN, RESTORE_STEPS, resolved, synthesize, testSettings } from './installation.ts';

const { vault, pipeline, definition } = synthesize();
const near = synthesize(
  testSettings({
    network: {
      vpcId: 'vpc-0123456789abcdef0',
      availabilityZones: ['eu-central-1a'],
      subnetIds: ['subnet-0123456789abcdef0'],
      securityGroupIds: ['sg-0123456789abcdef0'],
    },
  }),
).pipeline;

interface Statement {
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource: unknown;
  readonly Condition?: Record<string, Record<string, unknown>>;
}

function statements(template: Template): Statement[] {
  return Object.values(template.findResources('AWS::IAM::Policy')).flatMap(
    (policy) => policy['Properties'].PolicyDocument.Statement,
  );
}

test('the bucket keeps old versions, is encrypted with its own key through a bucket key, and is closed to the public', () => {
  vault.hasResourceProperties('AWS::S3::Bucket', {
    VersioningConfiguration: { Status: 'Enabled' },
    BucketEncryption: {
      ServerSideEncryptionConfiguration: [
        { BucketKeyEnabled: true, ServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms' } },
      ],
    },
    PublicAccessBlockConfiguration: {
      BlockPublicAcls: true,
      BlockPublicPolicy: true,
      IgnorePublicAcls: true,
      RestrictPublicBuckets: true,
    },
    OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
  });
  vault.hasResourceProperties('AWS::KMS::Key', { EnableKeyRotation: true });
});

test('bucket and key outlive their stack', () => {
  for (const type of ['AWS::S3::Bucket', 'AWS::KMS::Key']) {
    vault.hasResource(type, { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' });
  }
});

test('the bucket refuses requests without TLS and with TLS older than 1.2', () => {
  const deny = (Condition: object) =>
    Match.objectLike({ Effect: 'Deny', Action: 's3:*', Principal: { AWS: '*' }, Condition });
  vault.hasResourceProperties('AWS::S3::BucketPolicy', {
    PolicyDocument: {
      Statement: Match.arrayWith([
        deny({ Bool: { 'aws:SecureTransport': 'false' } }),
        deny({ NumericLessThan: { 's3:TlsVersion': 1.2 } }),
      ]),
    },
  });
});

test('nobody can remove a ledger entry or write over one', () => {
  vault.hasResourceProperties('AWS::S3::BucketPolicy', {
    PolicyDocument: {
      Statement: Match.arrayWith([
        Match.objectLike({
          Sid: 'LedgerIsNeverRemoved',
          Effect: 'Deny',
          Action: ['s3:DeleteObject', 's3:DeleteObjectVersion'],
          Principal: { AWS: '*' },
        }),
        Match.objectLike({
          Sid: 'LedgerIsNeverOverwritten',
          Effect: 'Deny',
          Action: 's3:PutObject',
          Condition: { Null: { 's3:if-none-match': 'true' } },
        }),
      ]),
    },
  });
});

test("abandoned uploads end after a week and connections after a day, in the vault's own prefix", () => {
  vault.hasResourceProperties('AWS::S3::Bucket', {
    LifecycleConfiguration: {
      Rules: [
        Match.objectLike({
          AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 },
          NoncurrentVersionExpiration: { NoncurrentDays: 30 },
        }),
        Match.objectLike({ Id: 'connections', Prefix: 'backups/connections/', ExpirationInDays: 1 }),
      ],
    },
  });
});

test('nothing expires what a restore point consists of', () => {
  const [bucket] = Object.values(vault.findResources('AWS::S3::Bucket'));
  const rules: Record<string, unknown>[] = bucket?.['Properties'].LifecycleConfiguration.Rules;
  const expiring = rules.filter((rule) => 'ExpirationInDays' in rule || 'Transitions' in rule);
  assert.deepEqual(
    expiring.map(({ Prefix }) => Prefix),
    ['backups/connections/'],
  );
});

test('every function runs on Node 24 and arm64, with a role and a log group of its own', () => {
  const functions = Object.values(pipeline.findResources('AWS::Lambda::Function'));
  assert.equal(functions.length, FUNCTIONS.length);
  for (const { Properties } of functions) {
    assert.equal(Properties.Runtime, 'nodejs24.x');
    assert.deepEqual(Properties.Architectures, ['arm64']);
  }
  const distinct = (of: (properties: Record<string, unknown>) => unknown) =>
    new Set(functions.map(({ Properties }) => JSON.stringify(of(Properties)))).size;
  assert.equal(
    distinct(({ Role }) => Role),
    FUNCTIONS.length,
  );
  assert.equal(
    distinct(({ LoggingConfig }) => LoggingConfig),
    FUNCTIONS.length,
  );
});

test('no role has a policy that somebody else maintains', () => {
  for (const { Properties } of Object.values(near.findResources('AWS::IAM::Role'))) {
    assert.equal(Properties.ManagedPolicyArns, undefined);
  }
});

test('no allowance is a wildcard, but for actions that know no narrower resource', () => {
  for (const { Effect, Action, Resource } of [...statements(pipeline), ...statements(near)]) {
    assert.doesNotMatch(JSON.stringify(Action), /\*/);
    const onAll = Effect === 'Allow' && [Resource].flat().includes('*');
    if (onAll)
      assert.ok(
        [Action].flat().every((action) => /^(ec2|logs):/.test(action)),
        JSON.stringify(Action),
      );
  }
});

/** Statements of the role of one function. */
function roleOf(step: string, template = pipeline): Statement[] {
  const found = Object.entries(template.findResources('AWS::IAM::Policy')).filter(([id]) =>
    id.startsWith(`${step.replaceAll('-', '')}Role`),
  );
  assert.equal(found.length, 1, step);
  return found.flatMap(([, { Properties }]) => Properties.PolicyDocument.Statement);
}
const actionsOf = (role: readonly Statement[]) => role.flatMap(({ Action }) => [Action].flat());
const targetsOf = (action: string, role = statements(pipeline)) =>
  role
    .filter(({ Action }) => [Action].flat().includes(action))
    .flatMap(({ Resource }) => [Resource].flat().map(resolved));

test('what functions delete by name are leases, reader slots, connections, and points that were let go', () => {
  const targets = targetsOf('s3:DeleteObject');
  for (const target of targets)
    assert.match(target, /(lease\.json|readers\/\*|connections\/\*|points\/\*|closings\/\*|metadata\/\*)$/);
  assert.deepEqual(
    targetsOf('s3:DeleteObject', roleOf('prune-points')).map((target) => target.replace(/.*backups\//, '')),
    ['vms/*/closings/*', 'vms/*/metadata/*', 'vms/*/points/*'],
  );
});

test('one function destroys versions, of packs, indexes and manifests, and it can read, write and decrypt nothing', () => {
  const destroying = Object.entries(pipeline.findResources('AWS::IAM::Policy'))
    .filter(([, policy]) => JSON.stringify(policy).includes('s3:DeleteObjectVersion'))
    .map(([id]) => id.replace(/Role.*/, ''));
  assert.deepEqual(destroying, ['removeversions']);
  const role = roleOf('remove-versions');
  assert.deepEqual(actionsOf(role).sort(), [
    'logs:CreateLogStream',
    'logs:PutLogEvents',
    's3:DeleteObjectVersion',
    's3:ListBucketVersions',
  ]);
  assert.deepEqual(
    targetsOf('s3:DeleteObjectVersion', role).map((target) => target.replace(/.*backups\//, '')),
    ['disks/*/indexes/*', 'disks/*/manifests/*', 'disks/*/packs/*'],
  );
});

test('readers can neither read back what they write nor delete anything', () => {
  const role = roleOf('read-shard');
  assert.doesNotMatch(JSON.stringify(actionsOf(role)), /Delete/);
  const readable = targetsOf('s3:GetObject', role).map((target) => target.replace(/.*backups\//, ''));
  assert.ok(
    readable.includes('disks/*/indexes/*') && !readable.some((target) => target.includes('packs')),
    `${readable}`,
  );
});

test('only snapshot-disks, which writes the connection object, readers, and the steps that end its session may read it', () => {
  const reading = Object.entries(pipeline.findResources('AWS::IAM::Policy'))
    .filter(([, { Properties }]) =>
      targetsOf('s3:GetObject', Properties.PolicyDocument.Statement).some((target) => target.includes('connections/')),
    )
    .map(([id]) => id.replace(/Role.*/, ''));
  assert.deepEqual(reading.sort(), ['readshard', 'releasehost', 'snapshotdisks', 'sweepruns']);
});

test('who judges what may go can delete nothing, and no role changes retention, lifecycle or the bucket', () => {
  assert.doesNotMatch(JSON.stringify(actionsOf(roleOf('plan-collection'))), /Delete|Put(?!LogEvents)/);
  assert.doesNotMatch(JSON.stringify(statements(pipeline)), /Retention|LegalHold|Lifecycle|PutBucket/);
});

/** How a step is called in the ids of a template. */
const inIds = (step: string) => step.replaceAll('-', '');

test("only the steps that log in may read a pool's credential", () => {
  const readers = Object.entries(pipeline.findResources('AWS::IAM::Policy'))
    .filter(([, policy]) => JSON.stringify(policy).includes('secretsmanager:'))
    .map(([id]) => id.replace(/Role.*/, ''));
  assert.deepEqual(
    readers.sort(),
    [...RESTORE_STEPS.map(inIds), 'listvms', 'releasehost', 'snapshotdisks', 'sweepruns', 'takeinventory'].sort(),
  );
});

test('the key serves only S3, and only for this bucket', () => {
  const uses = statements(pipeline).filter(({ Action }) => JSON.stringify(Action).includes('kms:'));
  // All functions but list-vms, watch-points, plan-collection, remove-versions and release-restore, and the state machine
  // that reads its items and writes its results.
  assert.equal(uses.length, FUNCTIONS.length - 5 + 1);
  for (const { Condition } of uses) {
    assert.ok(Condition?.['StringEquals']?.['kms:ViaService'] !== undefined);
    assert.ok(Condition?.['StringLike']?.['kms:EncryptionContext:aws:s3:arn'] !== undefined);
  }
});

test('the state machine has a name, an end, and logs no data of its executions', () => {
  pipeline.hasResourceProperties('AWS::StepFunctions::StateMachine', {
    StateMachineName: 'blockferry-backup',
    LoggingConfiguration: { IncludeExecutionData: false, Level: 'ALL' },
  });
  assert.equal(definition['TimeoutSeconds'], RUN_LIMIT_HOURS * 3600);
});

test('a schedule that could not start gives up before it would meet the next one', () => {
  pipeline.hasResourceProperties('AWS::Scheduler::Schedule', {
    ScheduleExpression: 'cron(30 1 * * ? *)',
    ScheduleExpressionTimezone: 'Europe/Berlin',
    Target: {
      RetryPolicy: { MaximumRetryAttempts: 5, MaximumEventAgeInSeconds: 3600 },
      Input: Match.serializedJson(Match.objectLike({ policy: 'nightly', readers: 4 })),
    },
  });
});

test('without a network no function is in a VPC; with one, only those that talk to the host', () => {
  const inVpc = (template: Template) =>
    Object.entries(
      template.findResources('AWS::Lambda::Function', { Properties: { VpcConfig: Match.anyValue() } }),
    ).map(([id]) => id.replace(/Function.*/, ''));
  assert.deepEqual(inVpc(pipeline), []);
  assert.deepEqual(
    inVpc(near).sort(),
    [
      ...RESTORE_STEPS.map(inIds),
      ...['listvms', 'readshard', 'releasehost', 'snapshotdisks', 'sweepruns', 'takeinventory'],
    ].sort(),
  );
});

test('code of a function in a VPC cannot use the network permissions that Lambda needs', () => {
  const denied = statements(near).filter(({ Effect }) => Effect === 'Deny');
  assert.equal(denied.length, 6 + RESTORE_STEPS.length);
  for (const { Condition } of denied) assert.ok(Condition?.['ArnLike']?.['lambda:SourceFunctionArn'] !== undefined);
});

test('the function that selects VMs can reach nothing of the vault', () => {
  const [role] = Object.entries(pipeline.findResources('AWS::IAM::Policy')).filter(([id]) => id.startsWith('listvms'));
  assert.doesNotMatch(JSON.stringify(role), /s3:|kms:/);
});

test('the fleet workflow may start backups of this installation and nothing else', () => {
  const starts = Object.entries(pipeline.findResources('AWS::IAM::Policy'))
    .filter(([id]) => id.startsWith('FleetRole'))
    .flatMap(([, { Properties }]): Statement[] => Properties.PolicyDocument.Statement)
    .filter(({ Action }) => /states:StartExecution/.test(JSON.stringify(Action)));
  assert.deepEqual(
    starts.map(({ Resource }) => resolved(Resource)),
    [MACHINE_ARN],
  );
});

test('services act only for this account and this state machine', () => {
  for (const { Properties } of Object.values(pipeline.findResources('AWS::IAM::Role'))) {
    const [{ Principal, Condition } = assert.fail()] = Properties.AssumeRolePolicyDocument.Statement;
    // Lambda sends no source: who may create a function with this role is decided by iam:PassRole.
    if (Principal.Service === 'lambda.amazonaws.com') continue;
    assert.deepEqual(Condition.StringEquals['aws:SourceAccount'], { Ref: 'AWS::AccountId' });
    assert.ok(JSON.stringify(Condition).includes('aws:SourceArn'));
  }
});

test('every request to the vault names the account that has to own it', () => {
  for (const [id, { Properties }] of Object.entries(pipeline.findResources('AWS::Lambda::Function'))) {
    const { VAULT_BUCKET, VAULT_OWNER } = Properties.Environment.Variables;
    if (VAULT_BUCKET !== undefined) assert.deepEqual(VAULT_OWNER, { Ref: 'AWS::AccountId' }, id);
  }
});

const bucketPolicy: (Statement & { readonly Sid?: string; readonly NotResource?: unknown })[] = Object.values(
  vault.findResources('AWS::S3::BucketPolicy'),
).flatMap(({ Properties }) => Properties.PolicyDocument.Statement);

test('the vault refuses objects under another key or another kind of encryption, and takes those that name none', () => {
  const refused = bucketPolicy.filter(({ Sid }) => /IsRefused|AreRefused/.test(Sid ?? ''));
  assert.equal(refused.length, 2);
  for (const { Effect, Condition } of refused) {
    assert.equal(Effect, 'Deny');
    // Without this a request without the header would differ too, and every ordinary write would be refused.
    assert.deepEqual(Condition?.['Null'], { [`${Object.keys(Condition?.['StringNotEquals'] ?? {})}`]: 'false' });
  }
});

test('no role that collects may decrypt: what it judges by is refused under any key but the one of S3 itself', () => {
  for (const step of ['plan-collection', 'remove-versions']) assert.doesNotMatch(`${actionsOf(roleOf(step))}`, /kms:/);
  const partOf = (target: string) => target.replace(/.*backups/, '');
  const judgedBy = targetsOf('s3:GetObject', roleOf('plan-collection')).map(partOf).sort();
  const named = (value: unknown) => [value].flat().map(resolved).map(partOf).sort();
  const free = bucketPolicy.find(({ Sid }) => Sid === 'LedgersAndMapsNeedNoKey');
  assert.deepEqual(named(free?.Resource), judgedBy);
  // A condition without "Null" strikes requests that say nothing, too.
  assert.deepEqual(free?.Condition, { StringNotEquals: { 's3:x-amz-server-side-encryption': 'AES256' } });
  assert.deepEqual(named(bucketPolicy.find(({ Sid }) => Sid === 'OtherEncryptionIsRefused')?.NotResource), judgedBy);
});
