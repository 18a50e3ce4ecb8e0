/** What can go wrong with the vault's bucket. */

import { Failure } from '#lib/failure.ts';

/** There is no object under the key. */
export class ObjectNotFound extends Failure {
  static override readonly failureName = 'ObjectNotFound';
}

/** The bytes asked for are not in the object. */
export class RangeNotSatisfiable extends Failure {
  static override readonly failureName = 'RangeNotSatisfiable';
}

/** An object is larger than any that is fetched in one piece: nobody but a stranger wrote it. */
export class ObjectTooLarge extends Failure {
  static override readonly failureName = 'ObjectTooLarge';
}

/** The object is in an archive class and has to be brought back before it can be read. */
export class ObjectArchived extends Failure {
  static override readonly failureName = 'ObjectArchived';
}

/** The bucket does not exist, is elsewhere, or the credentials may not do this. */
export class VaultAccessDenied extends Failure {
  static override readonly failureName = 'VaultAccessDenied';
}

/** The store does not support the request, or says that it makes no sense. */
export class VaultRequestRefused extends Failure {
  static override readonly failureName = 'VaultRequestRefused';
}

/** The store answered that it is overloaded or broken, or did not answer; the same request may work later. */
export class VaultUnavailable extends Failure {
  static override readonly failureName = 'VaultUnavailable';
  static override readonly transient = true;
}

/** What arrived is not what was sent. */
export class VaultCorruption extends Failure {
  static override readonly failureName = 'VaultCorruption';
  static override readonly transient = true;
}

/** A multipart upload is gone or cannot be completed; its pack has to be written again. */
export class UploadLost extends Failure {
  static override readonly failureName = 'UploadLost';
  static override readonly transient = true;
}

/** More bytes were written than 10,000 parts of the chosen size hold. */
export class UploadTooLarge extends Failure {
  static override readonly failureName = 'UploadTooLarge';
}
