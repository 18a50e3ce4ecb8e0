import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { test } from 'node:test';
import { App, Stack, Validations } from 'aws-cdk-lib';
import { Effect, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { SolutionsChecks } from '#cdk/solutions-checks.ts';
import { makeStacks, testSettings } from './installation.ts';

function synthesized(settings = testSettings()): App {
  const { app, outdir } = makeStacks(settings);
  try {
    app.synth();
  } finally {
    rmSync(outdir, { recursive: true });
  }
  return app;
}

/** Names of the AwsSolutions rules that the app breaks without a reason. */
function complaints(app: App): string[] {
  const { violations } = new SolutionsChecks(app).validateScope(app);
  return violations.map(({ ruleName }) => ruleName);
}

test('with and without a network, every AwsSolutions rule is met or has a reason', () => {
  const network = {
    vpcId: 'vpc-0123456789abcdef0',
    availabilityZones: ['eu-central-1a'],
    subnetIds: ['subnet-0123456789abcdef0'],
    securityGroupIds: ['sg-0123456789abcdef0'],
  };
  for (const settings of [testSettings(), testSettings({ network })]) {
    assert.deepEqual(complaints(synthesized(settings)), []);
  }
});

test('every reason is given where the rule applies, and says more than a few words', () => {
  const app = synthesized();
  complaints(app);
  const reasons = [...app.node.findAll()].flatMap(({ node }) =>
    node.metadata
      .filter(({ type }) => type === Validations.ACKNOWLEDGED_RULES_METADATA_KEY)
      .flatMap(({ data }) => Object.values(data as Record<string, string>)),
  );
  assert.ok(reasons.length > 10);
  for (const reason of reasons) assert.ok(reason.length > 60, reason);
});

test('a wildcard that nobody explained is refused', () => {
  const app = new App({ analyticsReporting: false });
  const stack = new Stack(app, 'stack');
  const role = new Role(stack, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
  const vault = 'arn:aws:s3:::vault/';
  role.addToPolicy(
    new PolicyStatement({
      effect: Effect.ALLOW,
      actions: ['s3:*'],
      resources: [`${vault}*`, `${vault}disks/*`, `${vault}disks/*/packs/*`],
    }),
  );
  assert.deepEqual(complaints(app).sort(), [
    'AwsSolutions-IAM5[Action::s3:*]',
    'AwsSolutions-IAM5[Resource::arn:aws:s3:::vault/*]',
    'AwsSolutions-IAM5[Resource::arn:aws:s3:::vault/disks/*]',
  ]);
});
