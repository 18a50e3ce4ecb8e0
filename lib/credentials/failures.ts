/** What can go wrong when reading a pool's user name and password. */

import { Failure } from '#lib/failure.ts';

/** There is no such secret, or it has no value, or it is about to be deleted: somebody has to create it. */
export class CredentialMissing extends Failure {
  static override readonly failureName = 'CredentialMissing';
}

/** The secret is there, but it is not `{"username": ..., "password": ...}`: somebody has to correct it. */
export class CredentialMalformed extends Failure {
  static override readonly failureName = 'CredentialMalformed';
}

/** The role may not read the secret or use its key: somebody has to change a permission. */
export class CredentialDenied extends Failure {
  static override readonly failureName = 'CredentialDenied';
}

/** Secrets Manager did not answer or asked to slow down; the same request may work later. */
export class CredentialUnavailable extends Failure {
  static override readonly failureName = 'CredentialUnavailable';
  static override readonly transient = true;
}
