import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { SFNClient } from '@aws-sdk/client-sfn';
import { stepFunctionsExecutions } from '#lib/executions/step-functions.ts';

const EXECUTION = 'arn:aws:states:us-east-1:123456789012:execution:blockferry-backup:a';

interface Service {
  readonly executions: ReturnType<typeof stepFunctionsExecutions>;
  readonly requests: Record<string, unknown>[];
}

/** Step Functions on loopback that gives one answer to everything. */
async function withService(status: number, body: object, use: (service: Service) => Promise<void>): Promise<void> {
  const requests: Record<string, unknown>[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      requests.push(JSON.parse(String(Buffer.concat(chunks))));
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' }).end(JSON.stringify(body));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = new SFNClient({
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    maxAttempts: 1,
  });
  try {
    await use({ executions: stepFunctionsExecutions(client), requests });
  } finally {
    client.destroy();
    server.closeAllConnections();
    server.close();
  }
}

for (const [status, alive] of [
  ['RUNNING', true],
  ['PENDING_REDRIVE', true],
  ['SUCCEEDED', false],
  ['FAILED', false],
  ['TIMED_OUT', false],
  ['ABORTED', false],
] as const) {
  test(`an execution that is ${status} ${alive ? 'may still act' : 'is over'}`, async () => {
    await withService(200, { status }, async ({ executions, requests }) => {
      assert.equal(await executions.isRunning(EXECUTION), alive);
      assert.deepEqual(requests, [{ executionArn: EXECUTION, includedData: 'METADATA_ONLY' }]);
    });
  });
}

test('an execution that never was is not running', async () => {
  await withService(400, { __type: 'ExecutionDoesNotExist', message: 'no' }, async ({ executions }) => {
    assert.equal(await executions.isRunning(EXECUTION), false);
  });
});

test('a refused question is no knowledge: the lease of a living run must not be taken', async () => {
  await withService(400, { __type: 'AccessDeniedException', message: 'no' }, async ({ executions }) => {
    await assert.rejects(executions.isRunning(EXECUTION), {
      name: 'ExecutionLookupDenied',
      message: /DescribeExecution/,
    });
  });
});

test('an unknown status is doubt, and doubt is a failure', async () => {
  await withService(200, { status: 'DREAMING' }, async ({ executions }) => {
    await assert.rejects(executions.isRunning(EXECUTION), { name: 'ExecutionLookupDenied', message: /DREAMING/ });
  });
});

test('an overloaded or broken service may answer later', async () => {
  await withService(400, { __type: 'ThrottlingException', message: 'slow' }, async ({ executions }) => {
    await assert.rejects(executions.isRunning(EXECUTION), { name: 'ExecutionLookupUnavailable', transient: true });
  });
  await withService(500, { __type: 'InternalError' }, async ({ executions }) => {
    await assert.rejects(executions.isRunning(EXECUTION), { name: 'ExecutionLookupUnavailable' });
  });
});

test('a service that cannot be reached may answer later', async () => {
  const client = new SFNClient({
    endpoint: 'http://127.0.0.1:9',
    region: 'us-east-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    maxAttempts: 1,
  });
  await assert.rejects(stepFunctionsExecutions(client).isRunning(EXECUTION), { name: 'ExecutionLookupUnavailable' });
  client.destroy();
});
