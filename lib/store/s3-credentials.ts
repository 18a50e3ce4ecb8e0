/** The credentials that the AWS tools would use here, for handing them to other processes. */

import { S3Client } from '@aws-sdk/client-s3';
import { Secret } from '#lib/secret.ts';
import { VaultAccessDenied } from './failures.ts';
import type { S3Credentials } from './s3-client.ts';

/**
 * From environment, profile or role, as the SDK looks for them. Those of a role expire: what they are handed to has to
 * end before. Throws VaultAccessDenied when there are none.
 */
export async function ambientCredentials(): Promise<S3Credentials> {
  const client = new S3Client({ region: 'us-east-1' });
  try {
    const { accessKeyId, secretAccessKey, sessionToken } = await client.config.credentials();
    return {
      accessKeyId,
      secretAccessKey: new Secret(secretAccessKey),
      ...(sessionToken === undefined ? {} : { sessionToken: new Secret(sessionToken) }),
    };
  } catch (cause) {
    throw new VaultAccessDenied(
      'there are no credentials for the vault; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or choose AWS_PROFILE',
      { cause },
    );
  } finally {
    client.destroy();
  }
}
