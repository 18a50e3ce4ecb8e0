/** A key that KMS keeps and never gives away. */

import { KMSClient, SignCommand, type SignCommandOutput } from '@aws-sdk/client-kms';
import { SigningRefused, SigningUnavailable } from './failures.ts';
import type { Signer } from './signer.ts';

/** The SDK's own attempts at one request; the step's Retry goes on after that. */
const MAX_ATTEMPTS = 4;
/** A signature takes milliseconds. */
const REQUEST_TIMEOUT_MS = 10_000;

const RETRYABLE: ReadonlySet<string> = new Set([
  'TimeoutError',
  'ThrottlingException',
  'LimitExceededException',
  'DependencyTimeoutException',
  'KeyUnavailableException',
]);

/** Signs in the region and with the credentials that the environment gives. */
export function kmsSigner(keyArn: string, client: KMSClient = kmsClient()): Signer {
  return {
    async sign(message, { signal } = {}) {
      signal?.throwIfAborted();
      const { KeyId: key = keyArn, Signature: signature } = await asked(keyArn, () =>
        client.send(
          new SignCommand({ KeyId: keyArn, Message: message, MessageType: 'RAW', SigningAlgorithm: 'ECDSA_SHA_256' }),
          { abortSignal: signal },
        ),
      );
      if (signature === undefined) throw new SigningUnavailable(`KMS answered without a signature of key ${keyArn}`);
      return { key, signature: Buffer.from(signature) };
    },
  };
}

function kmsClient(): KMSClient {
  return new KMSClient({
    maxAttempts: MAX_ATTEMPTS,
    requestHandler: {
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionTimeout: REQUEST_TIMEOUT_MS,
      throwOnRequestTimeout: true,
    },
  });
}

async function asked(keyArn: string, ask: () => Promise<SignCommandOutput>): Promise<SignCommandOutput> {
  try {
    return await ask();
  } catch (cause) {
    if (!(cause instanceof Error) || cause.name === 'AbortError') throw cause;
    const tried = `signing with KMS key ${keyArn} failed with ${cause.name}`;
    if (mayPass(cause)) throw new SigningUnavailable(`${tried}; KMS cannot be reached or is overloaded`, { cause });
    throw new SigningRefused(
      `${tried}; it has to be enabled, of spec ECC_NIST_P256, for SIGN_VERIFY, and granted to the role by kms:Sign`,
      { cause },
    );
  }
}

/** System errors carry a code (`ECONNREFUSED`); the service marks its own faults. */
function mayPass(cause: Error): boolean {
  if (RETRYABLE.has(cause.name)) return true;
  if ('code' in cause && typeof cause.code === 'string' && /^E[A-Z_]+$/.test(cause.code)) return true;
  return '$fault' in cause && cause.$fault === 'server';
}
