import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DescribeExecutionCommand, SFNClient, StartExecutionCommand, StopExecutionCommand } from '@aws-sdk/client-sfn';
import { serveWorkflows } from '#local/states/endpoint.ts';
import { Bench, MACHINE_ARN, startAt } from './bench.ts';

test('the unmodified SDK starts, describes and stops executions', async (t) => {
  const bench = new Bench();
  const workflows = bench.workflows({ test: startAt('W', { W: { Type: 'Wait', Seconds: 60, End: true } }) });
  const { url, server } = await serveWorkflows(workflows);
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  const client = new SFNClient({ endpoint: url, region: 'us-east-1', credentials, maxAttempts: 1 });
  t.after(async () => {
    client.destroy();
    server.close();
    await workflows.close();
  });
  const request = { stateMachineArn: MACHINE_ARN, name: 'r1', input: '{"vm":1}' };
  const { executionArn } = await client.send(new StartExecutionCommand(request));
  const running = await client.send(new DescribeExecutionCommand({ executionArn }));
  assert.deepEqual([running.status, running.name, running.input], ['RUNNING', 'r1', '{"vm":1}']);
  assert.equal(running.startDate?.toISOString(), '2026-11-21T01:00:00.000Z');

  const metadata = await client.send(new DescribeExecutionCommand({ executionArn, includedData: 'METADATA_ONLY' }));
  assert.deepEqual([metadata.status, metadata.input], ['RUNNING', undefined]);

  await assert.rejects(client.send(new StartExecutionCommand({ ...request, input: '{}' })), {
    name: 'ExecutionAlreadyExists',
  });
  await assert.rejects(client.send(new DescribeExecutionCommand({ executionArn: `${executionArn}0` })), {
    name: 'ExecutionDoesNotExist',
  });
  await client.send(new StopExecutionCommand({ executionArn, cause: 'enough' }));
  const stopped = await client.send(new DescribeExecutionCommand({ executionArn }));
  assert.deepEqual([stopped.status, stopped.cause], ['ABORTED', 'enough']);
});
