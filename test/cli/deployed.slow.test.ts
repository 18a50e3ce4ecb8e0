/** The commands for a deployed installation, as a person runs them, against a service that speaks Step Functions' protocol. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { deployArguments } from '#cli/deploy.ts';
import { runIdOf } from '#lib/backup/run-id.ts';

const projectRoot = fileURLToPath(new URL('../../', import.meta.url));
const ARN = 'arn:aws:states:eu-central-1:123456789012';
const VM = '5f0e4a3c-0b1d-4c2e-9f3a-6b7c8d9e0f1a';
const RUN = `${ARN}:execution:blockferry-backup:a1`;
const FLEET_RUN = `${ARN}:execution:blockferry-fleet:b2`;

/** A fleet run that has ended when it is looked at for the second time. */
const WATCHED = `${ARN}:execution:blockferry-fleet:c3`;
const RESTORING = `${ARN}:execution:blockferry-restore:d4`;
let looks = 0;

const executions: Record<string, object> = {
  [RUN]: { status: 'RUNNING', startDate: 1_790_000_000, input: '{}' },
  [FLEET_RUN]: {
    ...{ status: 'FAILED', startDate: 1_790_000_000, stopDate: 1_790_000_060, input: '{}' },
    ...{ error: 'FleetIncomplete', cause: '1 of 2 VMs were backed up' },
  },
};
/** Searches of logs, as they were asked for. */
const searched: Request[] = [];
const started: { stateMachineArn: string; input: string }[] = [];

type Request = { readonly [field: string]: string };

const FLEET_EVENTS = [
  { id: 1, type: 'MapStateStarted', timestamp: 1_790_000_000, mapStateStartedEventDetails: { length: 3 } },
  { id: 2, type: 'PassStateEntered', timestamp: 1_790_000_001, stateEnteredEventDetails: { name: 'vm-failed' } },
  { id: 3, type: 'MapIterationSucceeded', timestamp: 1_790_000_002 },
];
const RESTORE_EVENTS = [
  { id: 1, type: 'MapStateEntered', timestamp: 1_790_000_000, stateEnteredEventDetails: { name: 'restore-disks' } },
  { id: 2, type: 'MapStateStarted', timestamp: 1_790_000_000, mapStateStartedEventDetails: { length: 4 } },
  { id: 3, type: 'TaskStateEntered', timestamp: 1_790_000_001, stateEnteredEventDetails: { name: 'restore-disk' } },
  { id: 4, type: 'MapIterationSucceeded', timestamp: 1_790_000_002 },
];

/** Answers of the service by action; undefined is an execution that it does not know. */
const actions: Record<string, (request: Request) => object | undefined> = {
  DescribeLogGroups: ({ logGroupNamePrefix }) => ({
    logGroups: ['commitpoint', 'listvms', 'readshard'].map((name) => ({
      logGroupName: `${logGroupNamePrefix}${name}`,
    })),
  }),
  FilterLogEvents: (request) => {
    searched.push(request);
    if (!request['logGroupName']?.endsWith('readshard')) return { events: [] };
    if (request['nextToken'] === undefined) return { events: [], nextToken: 'page-2' };
    const failed = { message: 'step-failed', step: 'read-shard', durationMs: 12, failure: 'HostBusy', reason: 'full' };
    return {
      events: [
        { timestamp: 1_790_000_002_500, message: `${JSON.stringify({ ...failed, run: 'x' })}\n` },
        { timestamp: 1_790_000_001_500, message: 'START RequestId: 1\n' },
      ],
    };
  },
  ListStateMachines: ({ nextToken }) =>
    nextToken === undefined
      ? { stateMachines: [{ name: 'other', stateMachineArn: `${ARN}:stateMachine:other` }], nextToken: 'page-2' }
      : {
          stateMachines: ['blockferry-backup', 'blockferry-fleet'].map((name) => ({
            name,
            stateMachineArn: `${ARN}:stateMachine:${name}`,
          })),
        },
  StartExecution: (request) => {
    started.push({ stateMachineArn: request['stateMachineArn'] ?? '', input: request['input'] ?? '' });
    return { executionArn: RUN, startDate: 1_790_000_000 };
  },
  DescribeExecution: ({ executionArn = '' }) => {
    if (executionArn === WATCHED && ++looks > 1) executions[WATCHED] = { ...executions[WATCHED], status: 'SUCCEEDED' };
    return executions[executionArn] && { executionArn, ...executions[executionArn] };
  },
  ListMapRuns: ({ executionArn }) => ({ mapRuns: executionArn === RUN ? [{ mapRunArn: `${ARN}:mapRun:x` }] : [] }),
  DescribeMapRun: () => ({ itemCounts: { total: 128, succeeded: 34, running: 4, failed: 0 } }),
  ListExecutions: ({ stateMachineArn }) => ({
    executions: Object.keys(executions)
      .filter((executionArn) => executionArn.includes(stateMachineArn?.split(':').at(-1) ?? ''))
      .map((executionArn) => ({ executionArn, ...executions[executionArn] })),
  }),
  GetExecutionHistory: ({ executionArn }) => ({
    events:
      executionArn === WATCHED
        ? FLEET_EVENTS
        : executionArn === RESTORING
          ? RESTORE_EVENTS
          : [
              {
                id: 1,
                type: 'TaskStateEntered',
                timestamp: 1_790_000_000,
                stateEnteredEventDetails: { name: 'snapshot-disks' },
              },
              { id: 2, type: 'TaskScheduled', timestamp: 1_790_000_001 },
              {
                id: 3,
                type: 'TaskFailed',
                timestamp: 1_790_000_002,
                taskFailedEventDetails: { error: 'HostBooting', cause: 'wait' },
              },
              { id: 4, type: 'ExecutionSucceeded', timestamp: 1_790_000_003 },
            ],
  }),
};

let server: Server;
before(async () => {
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const action = String(request.headers['x-amz-target']).split('.')[1] ?? '';
    const answer = actions[action]?.(JSON.parse(Buffer.concat(chunks).toString()));
    response.writeHead(answer ? 200 : 400, { 'content-type': 'application/x-amz-json-1.0' });
    response.end(JSON.stringify(answer ?? { __type: 'ExecutionDoesNotExist', message: 'no such execution' }));
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
});
after(() => server.close());

async function blockferry(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const { port } = server.address() as AddressInfo;
  const env = {
    PATH: process.env['PATH'],
    AWS_ENDPOINT_URL_SFN: `http://127.0.0.1:${port}`,
    AWS_ENDPOINT_URL_CLOUDWATCH_LOGS: `http://127.0.0.1:${port}`,
    ...{ AWS_REGION: 'eu-central-1', AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' },
  };
  try {
    const run = promisify(execFile)(process.execPath, ['cli/blockferry.ts', ...words], { cwd: projectRoot, env });
    const { stdout, stderr } = await run;
    return { code: 0, out: stdout, err: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: stdout, err: stderr };
  }
}

test('start begins a run of the VM, found by the name of the installation on any page', async () => {
  const { out } = await blockferry('start', VM, '--readers', '2', '--json');
  assert.deepEqual(JSON.parse(out), { execution: RUN });
  const { stateMachineArn, input = '' } = started.at(-1) ?? {};
  assert.equal(stateMachineArn, `${ARN}:stateMachine:blockferry-backup`);
  assert.deepEqual(JSON.parse(input), { vm: VM, readers: 2 });
});

test('start --policy sends the policy of the settings file, without its time', async () => {
  await blockferry('start', '--policy', 'nightly', '--settings', 'test/cdk/settings.json');
  const { stateMachineArn, input = '' } = started.at(-1) ?? {};
  assert.equal(stateMachineArn, `${ARN}:stateMachine:blockferry-fleet`);
  assert.deepEqual(JSON.parse(input), {
    policy: 'nightly',
    select: { uuids: [], names: [], tags: ['gold'] },
    exclude: { uuids: [], names: ['scratch'], tags: [] },
    readers: 4,
  });
});

test('what cannot be started is refused before anything is sent', async () => {
  const before = started.length;
  for (const words of [['start'], ['start', 'web-1'], ['start', VM, '--readers', '17'], ['start', '--policy', 'x']]) {
    assert.equal((await blockferry(...words)).code, 2, words.join(' '));
  }
  assert.equal(started.length, before);
});

test('status of a running execution counts its shards', async () => {
  const { out } = await blockferry('status', RUN);
  assert.match(out, /running for /);
  assert.match(out, /34 of 128 shards read, 4 being read, 0 failed/);
  assert.equal(JSON.parse((await blockferry('status', RUN, '--json')).out).shards.total, 128);
});

test('status by name finds a fleet run too, and shows the failure with its sentence', async () => {
  const { out } = await blockferry('status', 'b2');
  assert.match(out, /FAILED for 1 min 00 s\nFleetIncomplete: 1 of 2 VMs were backed up/);
});

test('status without a name lists the newest runs of both workflows', async () => {
  const { out } = await blockferry('status');
  assert.match(out, /blockferry-backup +RUNNING/);
  assert.match(out, /blockferry-fleet +FAILED .* 1 min 00 s +b2/);
});

test('an execution that nobody knows ends with code 1 and says for how long executions are kept', async () => {
  const { code, err } = await blockferry('status', `${RUN}x`);
  assert.equal(code, 1);
  assert.match(err, /ExecutionUnknown: .*90 days/);
});

test('logs shows states, every error, also one that was tried again, and what the functions wrote meanwhile', async () => {
  const { out } = await blockferry('logs', RUN);
  assert.match(out, /snapshot-disks\n.* {6}START RequestId: 1\n.* {4}TaskFailed: HostBooting wait\n/);
  assert.match(out, / {6}read-shard: step-failed 12 ms HostBusy full\n.* {2}succeeded\n$/);
  assert.doesNotMatch(out, /TaskScheduled/);
});

test("a run's lines are found by the run's id, in the time of the execution", async () => {
  searched.length = 0;
  await blockferry('logs', 'a1');
  assert.equal(searched.length, 4);
  for (const { filterPattern, startTime, endTime } of searched) {
    assert.equal(filterPattern, `{ ($.run = "${runIdOf(RUN)}") }`);
    assert.ok(Number(startTime) < 1_790_000_000_000 && Number(endTime) > 1_790_000_000_000);
  }
});

test('an execution that is no run is searched by the steps that it entered', async () => {
  searched.length = 0;
  await blockferry('logs', 'b2');
  assert.equal(searched[0]?.['filterPattern'], '{ ($.step = "snapshot-disks") }');
});

test('a restore is told by its disks, and the lines of its executions for them are found by its id', async () => {
  executions[RESTORING] = { status: 'RUNNING', startDate: 1_790_000_000, input: '{}' };
  assert.match((await blockferry('status', RESTORING)).out, /at restore-disk, 1 of 4 disks restored/);
  searched.length = 0;
  await blockferry('logs', RESTORING);
  assert.equal(searched[0]?.['filterPattern'], `{ ($.run = "${runIdOf(RESTORING)}") }`);
});

test('logs --json is one JSON value a line, and --no-functions asks for no log', async () => {
  const lines = (await blockferry('logs', RUN, '--json')).out.trim().split('\n');
  assert.ok(lines.length >= 4 && lines.every((line) => JSON.parse(line) !== undefined));
  searched.length = 0;
  assert.doesNotMatch((await blockferry('logs', RUN, '--no-functions')).out, /read-shard/);
  assert.deepEqual(searched, []);
});

test('status --watch tells what changes until the execution has ended', async () => {
  looks = 0;
  executions[WATCHED] = { status: 'RUNNING', startDate: 1_790_000_000, input: '{}' };
  const { out } = await blockferry('status', WATCHED, '--watch');
  assert.match(out, /1 of 3 VMs ended, 1 of them failed\n.*execution:blockferry-fleet:c3\nSUCCEEDED/s);
});

test('deploy asks before permissions grow unless told not to, on the Node that runs the command', () => {
  const asking = deployArguments({ profile: 'backup' });
  assert.deepEqual(asking.slice(1, 3), ['deploy', '--all']);
  assert.ok(
    asking.join(' ').includes(`${process.execPath}" cdk/app.ts --require-approval broadening --profile backup`),
  );
  assert.ok(deployArguments({ yes: true }).includes('never'));
});
