import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { KMSClient } from '@aws-sdk/client-kms';
import * as z from 'zod/mini';
import { Secret } from '#lib/secret.ts';
import { SigningRefused, SigningUnavailable } from '#lib/signing/failures.ts';
import { kmsSigner } from '#lib/signing/kms-signer.ts';
import { pemSigner, publicKeyName } from '#lib/signing/pem-signer.ts';
import type { Signer } from '#lib/signing/signer.ts';

const ARN = 'arn:aws:kms:us-east-1:123456789012:key/00000000-0000-4000-8000-000000000001';
const MESSAGE = Buffer.from('what is to be signed\n');
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

const pemOf = (key: KeyObject) => new Secret(key.export({ type: 'pkcs8', format: 'pem' }).toString());
const signRequest = z.object({
  KeyId: z.string(),
  Message: z.string(),
  MessageType: z.literal('RAW'),
  SigningAlgorithm: z.literal('ECDSA_SHA_256'),
});

/** A server that answers as KMS does, or refuses with the error of this name. */
async function withKms(refusal: string | undefined, use: (signer: Signer) => Promise<void>): Promise<void> {
  const server = createServer(async (request, answer) => {
    assert.equal(request.headers['x-amz-target'], 'TrentService.Sign');
    const asked = signRequest.parse(JSON.parse(Buffer.concat(await Array.fromAsync(request)).toString()));
    const signature = sign('sha256', Buffer.from(asked.Message, 'base64'), privateKey).toString('base64');
    const body =
      refusal === undefined ? { KeyId: asked.KeyId, Signature: signature } : { __type: refusal, message: 'on purpose' };
    answer.writeHead(refusal === undefined ? 200 : refusal.endsWith('InternalException') ? 500 : 400, {
      'content-type': 'application/x-amz-json-1.1',
    });
    answer.end(JSON.stringify(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address !== 'string');
  const client = new KMSClient({
    endpoint: `http://127.0.0.1:${address.port}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
  });
  try {
    await use(kmsSigner(ARN, client));
  } finally {
    client.destroy();
    server.closeAllConnections();
    server.close();
  }
}

test('a PEM file and KMS sign so that the public key alone verifies it', async () => {
  const { key, signature } = await pemSigner(pemOf(privateKey)).sign(MESSAGE);
  assert.ok(verify('sha256', MESSAGE, publicKey, signature));
  assert.equal(key, publicKeyName(createPublicKey(privateKey)));
  assert.match(key, /^sha256:[0-9a-f]{64}$/);
  await withKms(undefined, async (signer) => {
    const signed = await signer.sign(MESSAGE);
    assert.ok(verify('sha256', MESSAGE, publicKey, signed.signature));
    assert.equal(signed.key, ARN);
  });
});

for (const [name, failure] of [
  ['DisabledException', SigningRefused],
  ['AccessDeniedException', SigningRefused],
  ['NotFoundException', SigningRefused],
  ['InvalidKeyUsageException', SigningRefused],
  ['KMSInternalException', SigningUnavailable],
  ['ThrottlingException', SigningUnavailable],
] as const) {
  test(`${name} of KMS becomes ${failure.failureName}, which names the key and the cure`, async () => {
    await withKms(name, async (signer) => {
      await assert.rejects(signer.sign(MESSAGE), (error: Error) => {
        assert.ok(error instanceof failure);
        assert.match(error.message, new RegExp(`${ARN}.*${name}`));
        return true;
      });
    });
  });
}

test('a KMS that nothing listens for is unavailable', async () => {
  const client = new KMSClient({
    endpoint: 'http://127.0.0.1:9',
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
  });
  await assert.rejects(kmsSigner(ARN, client).sign(MESSAGE), SigningUnavailable);
  client.destroy();
});

test('a file that holds no private key on P-256 is refused, and the refusal says how to make one', () => {
  const other = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const publicPem = new Secret(publicKey.export({ type: 'spki', format: 'pem' }).toString());
  for (const pem of [pemOf(other), pemOf(rsa), publicPem, new Secret('nonsense'), new Secret('')]) {
    assert.throws(
      () => pemSigner(pem),
      (error: Error) => error instanceof SigningRefused && error.message.includes('openssl genpkey'),
    );
  }
});
