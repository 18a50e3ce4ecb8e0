/**
 * The HTTP face of a Secrets Manager that knows the passwords of this machine's pools: set
 * AWS_ENDPOINT_URL_SECRETS_MANAGER to its address. The protocol is AWS JSON 1.1, and GetSecretValue all it answers.
 */

import { createServer, type IncomingMessage, type Server } from 'node:http';
import * as z from 'zod/mini';

/** A request carries a name and nothing else. */
const MAX_REQUEST_BYTES = 65_536;

const question = z.object({ SecretId: z.string() });

/** `secretOf` answers with the text of a secret; undefined when there is none. Listens on loopback; the caller closes. */
export async function serveSecrets(
  secretOf: (name: string) => string | undefined,
): Promise<{ readonly url: string; readonly server: Server }> {
  const server = createServer((request, response) => {
    answer(request, secretOf)
      .catch(() => fault('InvalidRequestException'))
      .then(({ status, body }) => {
        response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' });
        response.end(JSON.stringify(body));
      })
      .catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { url: `http://127.0.0.1:${port}`, server };
}

async function answer(request: IncomingMessage, secretOf: (name: string) => string | undefined) {
  if (request.headers['x-amz-target'] !== 'secretsmanager.GetSecretValue') return fault('InvalidRequestException');
  const { SecretId } = question.parse(JSON.parse(await bodyOf(request)));
  const text = secretOf(SecretId);
  return text === undefined
    ? fault('ResourceNotFoundException')
    : { status: 200, body: { Name: SecretId, SecretString: text } };
}

function fault(type: string) {
  return { status: 400, body: { __type: type, Message: `${type}, answered on this machine` } };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request) {
    const buffer = Buffer.from(piece);
    bytes += buffer.length;
    if (bytes > MAX_REQUEST_BYTES) throw new RangeError('the request is too long');
    pieces.push(buffer);
  }
  return Buffer.concat(pieces).toString();
}
