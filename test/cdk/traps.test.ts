/**
 * What the tools do that nobody would expect, each held by a test: limits of the services, holes of the constructs, and
 * versions that a registry offers by mistake.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { synthesize } from './installation.ts';

const { pipeline, vault, definition } = synthesize();
const projectFile = (path: string) => JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'));
const { dependencies, devDependencies } = projectFile('package.json');
const { context, notices, app } = projectFile('cdk.json');
const machines = Object.values(pipeline.findResources('AWS::StepFunctions::StateMachine'));
const functions = Object.values(pipeline.findResources('AWS::Lambda::Function'));

const TRAPS: Readonly<Record<string, () => void>> = {
  'the writer of a map’s results is dropped in silence without a feature flag': () => {
    assert.equal(context['@aws-cdk/aws-stepfunctions:useDistributedMapResultWriterV2'], true);
    assert.match(JSON.stringify(definition), /"ResultWriter"/);
  },
  'a state machine without a name gets permissions for an empty one': () => {
    for (const { Properties } of machines) assert.match(Properties.StateMachineName, /^blockferry-[a-z]+(-[a-z]+)*$/);
  },
  'a distributed map is not granted the key of its bucket': () => {
    const [role = []] = Object.entries(pipeline.findResources('AWS::IAM::Policy'))
      .filter(([id]) => id.startsWith('BackupRole'))
      .map(([, { Properties }]) => Properties.PolicyDocument.Statement);
    const actions = role.flatMap(({ Action }: { Action: string | string[] }) => [Action].flat());
    assert.ok(actions.includes('kms:Decrypt') && actions.includes('kms:GenerateDataKey'));
  },
  'a distributed map is granted all objects of its bucket': () => {
    assert.doesNotMatch(JSON.stringify(pipeline.findResources('AWS::IAM::Policy')), /"arn:[^"]*:s3:::[^"/]*\/\*"/);
  },
  'a schedule tries for 24 hours, 185 times': () => {
    for (const { Properties } of Object.values(pipeline.findResources('AWS::Scheduler::Schedule'))) {
      assert.deepEqual(Properties.Target.RetryPolicy, { MaximumRetryAttempts: 5, MaximumEventAgeInSeconds: 3_600 });
    }
  },
  'version 3.0.0 of the command line is a stray build that cannot read what the library writes': () => {
    assert.equal(devDependencies['aws-cdk'], '2.1148.1');
  },
  'the library and the tools are pinned to what was tested': () => {
    for (const version of Object.values<string>({ ...dependencies, ...devDependencies })) {
      assert.match(version, /^\d+\.\d+\.\d+$/);
    }
  },
  'a map without a bound runs 10,000 readers': () => {
    assert.match(JSON.stringify(definition), /"MaxConcurrency":"\{% \$states\.input\.readers %\}"/);
  },
  'an Express child ends after five minutes': () => {
    assert.match(JSON.stringify(definition), /"ExecutionType":"STANDARD"/);
    for (const { Properties } of machines) assert.notEqual(Properties.StateMachineType, 'EXPRESS');
  },
  'a task that invokes a function brings retries of its own': () => {
    const text = JSON.stringify(definition);
    const retries = text.split('"ErrorEquals"').length - 1 - (text.split('"Catch":').length - 1);
    assert.equal(
      text.split('"JitterStrategy":"FULL"').length - 1,
      retries,
      'ours spread, those of the construct do not',
    );
  },
  'logs of executions would keep their data for everybody who may read logs': () => {
    for (const { Properties } of machines) assert.equal(Properties.LoggingConfiguration.IncludeExecutionData, false);
  },
  'log groups of state machines under other names use up the size of the account’s policy': () => {
    const names = Object.values(pipeline.findResources('AWS::Logs::LogGroup')).flatMap(
      ({ Properties }) => Properties.LogGroupName ?? [],
    );
    assert.equal(names.length, machines.length);
    for (const name of names) assert.match(name, /^\/aws\/vendedlogs\/states\//);
  },
  'a setting of the bucket for EventBridge adds a function in another language': () => {
    for (const { Properties } of functions) assert.equal(Properties.Runtime, 'nodejs24.x');
    vault.resourceCountIs('AWS::Lambda::Function', 0);
  },
  'reserved concurrency of a new account cannot be had': () => {
    for (const { Properties } of functions) assert.equal(Properties.ReservedConcurrentExecutions, undefined);
  },
  'a function that is killed ends under a name that nobody catches': () => {
    for (const name of ['Sandbox.Timedout', 'Runtime.ExitError', 'States.Timeout']) {
      assert.ok(JSON.stringify(definition).includes(`"${name}"`), name);
    }
  },
  'a topic with a policy of its own lets no alarm publish': () => {
    const [policy] = Object.values(pipeline.findResources('AWS::SNS::TopicPolicy'));
    assert.match(JSON.stringify(policy), /cloudwatch\.amazonaws\.com/);
  },
  'a lookup would need an account to synthesize': () => {
    assert.throws(() => projectFile('cdk.context.json'));
    assert.equal(notices, false);
    assert.equal(app, 'node cdk/app.ts');
  },
  'findings of the library’s own rules are silent without a feature flag': () => {
    assert.equal(context['@aws-cdk/core:validateAgainstDefaultRules'], true);
  },
  'a recursive loop through itself goes on until somebody sees the bill': () => {
    for (const { Properties } of functions) assert.equal(Properties.RecursiveLoop, 'Terminate');
  },
  'parts of an upload that nobody completed are billed and shown nowhere': () => {
    assert.match(JSON.stringify(vault.findResources('AWS::S3::Bucket')), /"AbortIncompleteMultipartUpload"/);
  },
};

for (const [trap, isAvoided] of Object.entries(TRAPS)) test(`avoided: ${trap}`, isAvoided);
