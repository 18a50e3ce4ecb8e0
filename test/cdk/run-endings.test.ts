/** Which ends of executions people are told of, played with events as Step Functions sends them. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { MACHINE_ARN, resolved, synthesize } from './installation.ts';

const { pipeline } = synthesize();

type Condition = string | { readonly 'anything-but': { readonly wildcard: string } } | { readonly prefix: string };
type Pattern = { readonly [field: string]: Pattern | readonly Condition[] };
type Event = { readonly [field: string]: unknown };

interface RuleProperties {
  readonly EventPattern?: Pattern;
  readonly Targets: readonly {
    readonly Arn: unknown;
    readonly InputTransformer?: { readonly InputTemplate: string; readonly InputPathsMap: Record<string, string> };
  }[];
}
const rules = Object.values(pipeline.findResources('AWS::Events::Rule'))
  .map(({ Properties }) => Properties as RuleProperties)
  .filter(({ EventPattern }) => EventPattern !== undefined);

/** As EventBridge matches: every field of the pattern is in the event with one of the values. */
function matches(pattern: Pattern, event: Event): boolean {
  return Object.entries(pattern).every(([field, wanted]) => {
    const value = event[field === 'detailType' ? 'detail-type' : field];
    if (!Array.isArray(wanted)) return matches(wanted as Pattern, value as Event);
    return (wanted as readonly Condition[]).some((condition) => fits(condition, String(value)));
  });
}

function fits(condition: Condition, value: string): boolean {
  if (typeof condition === 'string' || !('prefix' in condition || 'anything-but' in condition)) {
    return resolved(condition) === value;
  }
  if ('prefix' in condition) return value.startsWith(condition.prefix);
  const [begin = '', ...rest] = condition['anything-but'].wildcard.split('*');
  assert.equal(begin, '');
  return !rest.filter((part) => part !== '').every((part) => value.includes(part));
}

/** An end as the service reports it; the message is what the rule makes of it. */
function end(stateMachineArn: string, status: string, input: object = {}): Event {
  const executionArn = `${stateMachineArn.replace('stateMachine', 'execution')}:a1`;
  const facts = { error: 'HostBusy', cause: 'all 16 connections are taken' };
  return {
    source: 'aws.states',
    'detail-type': 'Step Functions Execution Status Change',
    detail: { executionArn, stateMachineArn, status, input: JSON.stringify(input), ...facts },
  };
}

const messagesOf = (event: Event) => rules.filter(({ EventPattern = {} }) => matches(EventPattern, event));

for (const status of ['FAILED', 'TIMED_OUT', 'ABORTED']) {
  test(`a run, a fleet, an upkeep and a restore that end ${status} are told of once each`, () => {
    for (const name of ['Fleet', 'Upkeep', 'Restore']) {
      assert.equal(messagesOf(end(`REF:${name}StateMachine`, status)).length, 1, name);
    }
    assert.equal(messagesOf(end(MACHINE_ARN, status)).length, 1);
  });
}

test('a success is no message, and neither is an execution of somebody else', () => {
  assert.deepEqual(messagesOf(end(MACHINE_ARN, 'SUCCEEDED')), []);
  assert.deepEqual(messagesOf(end(`${MACHINE_ARN}-other`, 'FAILED')), []);
});

test('a fleet of many VMs that all fail is one message, and a failed shard is none', () => {
  const ofFleet = { vm: '5f0e4a3c-0b1d-4c2e-9f3a-6b7c8d9e0f1a', policy: 'nightly' };
  assert.deepEqual(messagesOf(end(MACHINE_ARN, 'FAILED', ofFleet)), []);
  assert.deepEqual(messagesOf(end(`${MACHINE_ARN}/readers`, 'FAILED')), []);
});

test('the message begins with its severity and says what happened, to which execution, and where to look', () => {
  const [
    {
      Targets: [{ Arn, InputTransformer } = assert.fail()],
    } = assert.fail(),
  ] = messagesOf(end(MACHINE_ARN, 'FAILED'));
  assert.match(resolved(Arn), /^REF:Alarms/);
  const { InputTemplate = '', InputPathsMap = {} } = InputTransformer ?? {};
  let message = InputTemplate;
  const { detail } = end(MACHINE_ARN, 'FAILED') as { detail: Record<string, string> };
  for (const [name, path] of Object.entries(InputPathsMap)) {
    message = message.replace(`<${name}>`, detail[path.replace('$.detail.', '')] ?? assert.fail(path));
  }
  assert.equal(
    message,
    '"[act] FAILED: HostBusy: all 16 connections are taken -- ' +
      'arn:aws:states:us-east-1:123456789012:execution:backup:a1 -- What to do: docs/runbook.md"',
  );
});

test("the runbook's pattern finds the alarms of a severity among the events of the account", () => {
  const runbook = readFileSync(new URL('../../docs/runbook.md', import.meta.url), 'utf8');
  const pattern = JSON.parse(/```json\n(.*?)```/s.exec(runbook)?.[1] ?? assert.fail('the runbook shows no pattern'));
  const alarms = Object.values(pipeline.findResources('AWS::CloudWatch::Alarm'));
  const found = alarms.filter(({ Properties }) =>
    matches(pattern, {
      source: 'aws.cloudwatch',
      'detail-type': 'CloudWatch Alarm State Change',
      detail: { state: { value: 'ALARM' }, configuration: { description: Properties.AlarmDescription } },
    }),
  );
  const acting = alarms.filter(({ Properties }) => Properties.AlarmDescription.startsWith('[act]'));
  assert.ok(acting.length > 0 && acting.length < alarms.length);
  assert.deepEqual(found, acting);
});

test('people are told over a topic with a key of its own, to which only alarms and rules of this account publish', () => {
  const [topic = assert.fail()] = Object.values(pipeline.findResources('AWS::SNS::Topic'));
  assert.match(JSON.stringify(topic['Properties'].KmsMasterKeyId), /AlarmKey/);
  pipeline.hasResourceProperties('AWS::KMS::Key', { EnableKeyRotation: true });
  for (const type of ['AWS::SNS::TopicPolicy', 'AWS::KMS::Key']) {
    const [resource = assert.fail(type)] = Object.values(pipeline.findResources(type));
    const { Statement } = resource['Properties'].PolicyDocument ?? resource['Properties'].KeyPolicy;
    const services = Statement.filter(({ Principal }: { Principal: { Service?: string } }) => Principal.Service);
    assert.deepEqual(services.map(({ Principal }: { Principal: { Service: string } }) => Principal.Service).sort(), [
      'cloudwatch.amazonaws.com',
      'events.amazonaws.com',
    ]);
    for (const { Condition } of services) {
      assert.deepEqual(Condition.StringEquals, { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } });
      assert.match(resolved(Condition.ArnLike['aws:SourceArn']), /(alarm:|rule\/)blockferry-\*$/);
    }
  }
});
