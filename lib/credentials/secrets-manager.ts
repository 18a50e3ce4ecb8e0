/** The user name and password of a pool, as Secrets Manager keeps them. */

import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import * as z from 'zod/mini';
import { Secret } from '#lib/secret.ts';
import { CredentialDenied, CredentialMalformed, CredentialMissing, CredentialUnavailable } from './failures.ts';

export interface PoolCredential {
  readonly username: string;
  readonly password: Secret;
}

/** Reads the credential kept under a secret's name; throws one of the Credential failures. */
export type CredentialReader = (secretName: string, options?: { signal?: AbortSignal }) => Promise<PoolCredential>;

/** The SDK's own attempts at one request; the step's Retry goes on after that. */
const MAX_ATTEMPTS = 4;
/** Reading a secret takes milliseconds; ten seconds without an answer is most often a VPC without the endpoint. */
const REQUEST_TIMEOUT_MS = 10_000;

const credential = z.object({
  username: z.string().check(z.minLength(1)),
  password: z.string().check(z.minLength(1)),
});

/** Reads from the region and with the credentials that the environment gives, or from AWS_ENDPOINT_URL_SECRETS_MANAGER. */
export function secretsManagerCredentials(
  client: SecretsManagerClient = new SecretsManagerClient({
    maxAttempts: MAX_ATTEMPTS,
    requestHandler: {
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionTimeout: REQUEST_TIMEOUT_MS,
      throwOnRequestTimeout: true,
    },
  }),
): CredentialReader {
  return async (secretName, { signal } = {}) => {
    const text = await secretText(client, { secretName, signal });
    if (text === undefined) {
      throw new CredentialMissing(`The secret ${secretName} holds no text; store ${EXPECTED_FORM} in it`);
    }
    return parseCredential(secretName, text);
  };
}

const EXPECTED_FORM = '{"username": "...", "password": "..."}';

async function secretText(
  client: SecretsManagerClient,
  { secretName, signal }: { secretName: string; signal: AbortSignal | undefined },
): Promise<string | undefined> {
  try {
    const answer = await client.send(new GetSecretValueCommand({ SecretId: secretName }), { abortSignal: signal });
    return answer.SecretString;
  } catch (cause) {
    throw readFailure(secretName, cause);
  }
}

/** The messages name fields and never values: whatever is wrong in a secret may still be the password. */
function parseCredential(secretName: string, text: string): PoolCredential {
  const parsed = credential.safeParse(jsonOrUndefined(text));
  if (parsed.success) return { username: parsed.data.username, password: new Secret(parsed.data.password) };
  const fields = parsed.error.issues.map((issue) => issue.path.join('.')).filter((path) => path !== '');
  const wrong = fields.length > 0 ? `has no usable ${fields.join(' and no usable ')}` : 'is not a JSON object';
  throw new CredentialMalformed(`The secret ${secretName} ${wrong}; store ${EXPECTED_FORM} in it`);
}

/** Undefined for what is not JSON: the parser's own error quotes the text, which here holds a password. */
function jsonOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const MISSING: ReadonlySet<string> = new Set(['ResourceNotFoundException', 'InvalidRequestException']);
const RETRYABLE: ReadonlySet<string> = new Set(['TimeoutError', 'ThrottlingException', 'TooManyRequestsException']);

/** Unless it is known to pass, a failure is one that somebody has to repair. */
function readFailure(secretName: string, cause: unknown): Error {
  if (isAbort(cause)) return cause;
  const name = cause instanceof Error ? cause.name : 'an unknown error';
  const tried = `Reading the secret ${secretName} failed with ${name}`;
  if (MISSING.has(name)) {
    return new CredentialMissing(`${tried}; create it with ${EXPECTED_FORM}, or correct the pool's secretName`, {
      cause,
    });
  }
  if (mayPass(cause)) {
    return new CredentialUnavailable(`${tried}; Secrets Manager cannot be reached or is overloaded`, { cause });
  }
  return new CredentialDenied(`${tried}; the role needs secretsmanager:GetSecretValue and the secret's key`, { cause });
}

function isAbort(cause: unknown): cause is Error {
  return cause instanceof Error && cause.name === 'AbortError';
}

/** System errors carry a code (`ECONNREFUSED`); the service marks its own faults. */
function mayPass(cause: unknown): boolean {
  if (!(cause instanceof Error)) return false;
  if (RETRYABLE.has(cause.name)) return true;
  if ('code' in cause && typeof cause.code === 'string' && /^E[A-Z_]+$/.test(cause.code)) return true;
  return '$fault' in cause && cause.$fault === 'server';
}
