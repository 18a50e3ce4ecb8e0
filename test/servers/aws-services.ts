/** The three small services of AWS that a run asks: a secret, the state of an execution, a signature. */

import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';
import * as z from 'zod/mini';

const KEY_ARN = 'arn:aws:kms:us-east-1:123456789012:key/00000000-0000-4000-8000-000000000001';

export interface AwsServices extends AsyncDisposable {
  readonly port: number;
  readonly keyArn: string;
}

export interface ServiceAnswers {
  secret(): object;
  isRunning(): boolean;
}

const request = z.looseObject({ Message: z.optional(z.string()), executionArn: z.optional(z.string()) });

export async function startAwsServices(answers: ServiceAnswers): Promise<AwsServices> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const actions: Readonly<Record<string, (asked: z.infer<typeof request>) => object>> = {
    'secretsmanager.GetSecretValue': () => ({ SecretString: JSON.stringify(answers.secret()) }),
    'AWSStepFunctions.DescribeExecution': ({ executionArn }) => ({
      executionArn,
      status: answers.isRunning() ? 'RUNNING' : 'SUCCEEDED',
    }),
    'TrentService.Sign': ({ Message = '' }) => ({
      KeyId: KEY_ARN,
      Signature: sign('sha256', Buffer.from(Message, 'base64'), privateKey).toString('base64'),
    }),
  };
  const answer = async (message: IncomingMessage) =>
    actions[String(message.headers['x-amz-target'])]?.(request.parse(await json(message)));
  const server = createServer((message, response) => {
    answer(message).then(
      (body) => response.writeHead(body === undefined ? 400 : 200).end(JSON.stringify(body ?? {})),
      () => response.destroy(),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the services are not listening');
  return {
    port: address.port,
    keyArn: KEY_ARN,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
