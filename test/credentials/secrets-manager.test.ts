import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { type CredentialReader, secretsManagerCredentials } from '#lib/credentials/secrets-manager.ts';

/** Secrets Manager on loopback that gives one answer to everything. */
async function withService(
  status: number,
  body: object,
  use: (read: CredentialReader) => Promise<void>,
): Promise<void> {
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = new SecretsManagerClient({
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    maxAttempts: 1,
  });
  try {
    await use(secretsManagerCredentials(client));
  } finally {
    client.destroy();
    server.closeAllConnections();
    server.close();
  }
}

const holding = (text: string) => ({ Name: 'pool', SecretString: text });

test('a credential is a name and a password that prints as a placeholder', async () => {
  await withService(200, holding('{"username": "root", "password": "hunter2"}'), async (read) => {
    const credential = await read('pool');
    assert.equal(credential.username, 'root');
    assert.equal(credential.password.reveal(), 'hunter2');
    assert.doesNotMatch(inspect(credential) + JSON.stringify(credential), /hunter2/);
  });
});

for (const [what, text, message] of [
  ['is not JSON', 'hunter2', /not a JSON object/],
  ['is not an object', '"hunter2"', /not a JSON object/],
  ['has no password', '{"username": "root", "Password": "hunter2"}', /no usable password/],
  ['has an empty user name', '{"username": "", "password": "hunter2"}', /no usable username/],
] as const) {
  test(`a secret that ${what} is CredentialMalformed, and nothing of it is in the message`, async () => {
    await withService(200, holding(text), async (read) => {
      await assert.rejects(read('pool'), (error: Error) => {
        assert.equal(error.name, 'CredentialMalformed');
        assert.match(error.message, message);
        assert.doesNotMatch(inspect(error), /hunter2/);
        return true;
      });
    });
  });
}

for (const [type, status, name] of [
  ['ResourceNotFoundException', 400, 'CredentialMissing'],
  ['InvalidRequestException', 400, 'CredentialMissing'],
  ['AccessDeniedException', 400, 'CredentialDenied'],
  ['DecryptionFailure', 400, 'CredentialDenied'],
  ['ThrottlingException', 400, 'CredentialUnavailable'],
  ['InternalServiceError', 500, 'CredentialUnavailable'],
] as const) {
  test(`${type} is ${name} and names the secret`, async () => {
    await withService(status, { __type: type, Message: 'no' }, async (read) => {
      await assert.rejects(read('pool-secret'), { name, message: /pool-secret/ });
    });
  });
}

test('a secret without text is CredentialMissing', async () => {
  await withService(200, { Name: 'pool' }, async (read) => {
    await assert.rejects(read('pool'), { name: 'CredentialMissing' });
  });
});
