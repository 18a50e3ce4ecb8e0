/** What can be wrong with bytes of the vault. */

import { Failure } from '#lib/failure.ts';

/** An object of the vault does not say what it should: cut, flipped, swapped or never written by Blockferry. */
export class DamagedObject extends Failure {
  static override readonly failureName = 'DamagedObject';
}

/** An object of the vault needs a feature that this version does not have. */
export class UnsupportedFormat extends Failure {
  static override readonly failureName = 'UnsupportedFormat';
}
