/**
 * The HTTP face of the local Step Functions, for functions and commands that use the AWS SDK: set AWS_ENDPOINT_URL_SFN
 * to its address. The protocol is AWS JSON 1.0: one POST, the action in a header, JSON in both directions.
 */

import { createServer, type IncomingMessage, type Server } from 'node:http';
import * as z from 'zod/mini';
import { Failure } from '#lib/failure.ts';
import type { Execution } from './execution.ts';
import type { Workflows } from './workflows.ts';

/** A request names an execution and may carry an input of 256 KiB, which escaping can double. */
const MAX_REQUEST_BYTES = 1_048_576;
const TARGET_PREFIX = 'AWSStepFunctions.';

class UnreadableRequest extends Failure {
  static override readonly failureName = 'ValidationException';
}

const startRequest = z.object({
  stateMachineArn: z.string(),
  name: z.optional(z.string()),
  input: z._default(z.string(), '{}'),
});
const describeRequest = z.object({ executionArn: z.string(), includedData: z.optional(z.string()) });
const stopRequest = z.object({
  executionArn: z.string(),
  error: z.optional(z.string()),
  cause: z.optional(z.string()),
});

/** Epoch seconds, as the protocol writes times. */
function seconds(date: Date): number {
  return date.getTime() / 1000;
}

function description(execution: Execution, includedData: string | undefined): Readonly<Record<string, unknown>> {
  const { executionArn, stateMachineArn, name, status, stopDate } = execution;
  const metadata = {
    executionArn,
    stateMachineArn,
    name,
    status,
    startDate: seconds(execution.startDate),
    ...(stopDate === undefined ? {} : { stopDate: seconds(stopDate) }),
    ...(execution.mapRunArn === undefined ? {} : { mapRunArn: execution.mapRunArn }),
  };
  if (includedData === 'METADATA_ONLY') return metadata;
  const { input, output, error, cause } = execution;
  return { ...metadata, input: JSON.stringify(input), output: JSON.stringify(output), error, cause };
}

async function act(workflows: Workflows, action: string, body: unknown): Promise<unknown> {
  switch (action) {
    case 'DescribeExecution': {
      const { executionArn, includedData } = describeRequest.parse(body);
      return description(workflows.describe(executionArn), includedData);
    }
    case 'StartExecution': {
      const { input, ...request } = startRequest.parse(body);
      const execution = await workflows.start({ ...request, input: JSON.parse(input) });
      return { executionArn: execution.executionArn, startDate: seconds(execution.startDate) };
    }
    case 'StopExecution': {
      const { executionArn, ...reason } = stopRequest.parse(body);
      workflows.stop(executionArn, reason);
      const execution = workflows.describe(executionArn);
      await execution.finished;
      return { stopDate: seconds(execution.stopDate ?? execution.startDate) };
    }
    default:
      throw new UnreadableRequest(`the local Step Functions does not know the action ${action}`);
  }
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    const part = Buffer.from(chunk);
    bytes += part.byteLength;
    if (bytes > MAX_REQUEST_BYTES) throw new UnreadableRequest(`a request may have ${MAX_REQUEST_BYTES} bytes`);
    chunks.push(part);
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}

/** Failures of ours carry the names that the service's exceptions have; anything else is a request we cannot read. */
function fault(error: unknown): Readonly<Record<string, string>> {
  const message = error instanceof Error ? error.message : String(error);
  return { __type: error instanceof Failure ? error.name : 'ValidationException', message };
}

/** Listens on the loopback interface; the caller closes the server. */
export async function serveWorkflows(workflows: Workflows): Promise<{ readonly url: string; readonly server: Server }> {
  const server = createServer((request, response) => {
    const action = String(request.headers['x-amz-target'] ?? '').replace(TARGET_PREFIX, '');
    const answer = async (): Promise<{ status: number; body: unknown }> => {
      try {
        return { status: 200, body: await act(workflows, action, await readBody(request)) };
      } catch (error) {
        return { status: 400, body: fault(error) };
      }
    };
    answer()
      .then(({ status, body }) => {
        response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' });
        response.end(JSON.stringify(body));
      })
      .catch(() => response.destroy());
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { url: `http://127.0.0.1:${port}`, server };
}
