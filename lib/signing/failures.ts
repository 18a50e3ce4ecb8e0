/** Why a ledger's head could not be signed. The point it belongs to is committed all the same. */

import { Failure } from '#lib/failure.ts';

/** The key does not exist, is of another kind, is disabled, or may not be used by who asked. */
export class SigningRefused extends Failure {
  static override readonly failureName = 'SigningRefused';
}

/** The key's keeper did not answer or is overloaded. */
export class SigningUnavailable extends Failure {
  static override readonly failureName = 'SigningUnavailable';
  static override readonly transient = true;
}
