/** What can go wrong with a host beyond one call of its API. */

import { Failure } from '#lib/failure.ts';

/** No network has this name or uuid, or several have the name. */
export class UnknownNetwork extends Failure {
  static override readonly failureName = 'UnknownNetwork';
}

/** Networks of the pool have the opposite NBD purpose, with which the host refuses this one. */
export class NbdPurposesConflict extends Failure {
  static override readonly failureName = 'NbdPurposesConflict';
}

/** The purpose was set, and no NBD server of the pool answers all the same. */
export class NbdStillSilent extends Failure {
  static override readonly failureName = 'NbdStillSilent';
}
