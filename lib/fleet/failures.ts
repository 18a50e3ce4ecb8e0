/** What can be wrong with a policy once it meets the pool. */

import { Failure } from '#lib/failure.ts';

/** The policy selects no VM at all: nothing would be backed up, and nobody would notice. */
export class NothingSelected extends Failure {
  static override readonly failureName = 'NothingSelected';
}

/** More VMs than one fleet run can carry. */
export class FleetTooLarge extends Failure {
  static override readonly failureName = 'FleetTooLarge';
}
